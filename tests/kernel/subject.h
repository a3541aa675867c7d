// File: tests/kernel/subject.h
// A disk that the kernel's client is tried on: a server that can be killed and started again on its
// port, and, where it keeps a log, the image that the log restores to. Threading: one thread.
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "tests/crash/server.h"

namespace tlog::kernel {

class Subject {
 public:
  virtual ~Subject() = default;
  virtual crash::Server& server() = 0;
  // Ends the server and restores the log to this file. False: it has no log.
  virtual Result<bool> restore(const std::string& image) = 0;
  // Of one that can lose what it has its blocks on, and go on elsewhere: kills that, and waits until
  // it has.
  virtual Status lose_blocks() {
    return fail(Code::kNotSupported, "it has its blocks in one place only");
  }
};

using MakeSubject = std::unique_ptr<Subject> (*)(const std::string& directory);

struct SubjectKind {
  std::string name;
  MakeSubject make;
  friend std::ostream& operator<<(std::ostream& out, const SubjectKind& kind) {
    return out << kind.name;
  }
};
// nbdkit file, and tlogdisk where it is built.
std::vector<SubjectKind> subject_kinds();
// A server whose FLUSH does nothing and that forgets all when killed: whoever cannot see that, sees
// nothing.
SubjectKind broken_subject_kind();
// tlogdisk with its blocks on one cluster and a standby on another; none where it is not built.
std::vector<SubjectKind> standby_subject_kinds();

constexpr std::uint64_t kSubjectMib = 96;

}  // namespace tlog::kernel
