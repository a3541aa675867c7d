// File: tests/crash/writer.h
// The stamped writer: a child process that keeps requests in flight on several connections until
// the server dies, it is told to stop, or it is killed. A process of its own because killing it is
// one of the tests. Threading: one thread each side. The parent forks; it must have no other thread
// that holds a lock at that moment.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "tests/crash/history.h"
#include "tests/crash/workload.h"
#include "tlog/base/result.h"

namespace tlog::crash {

struct WriterOptions {
  std::string uri;
  unsigned connections = 1;
  unsigned depth = 16;  // requests in flight on each connection
  std::uint64_t requests_max = History::kRequestsMax;
  WorkloadOptions workload;
  std::uint64_t seed = 1;
};

class Writer {
 public:
  Writer() = default;
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Forks the writer and waits until the first answer has arrived.
  Status start(const WriterOptions& options, History& history, unsigned timeout_ms);
  // The writer issues no more, waits for its answers and ends.
  void ask_to_stop();
  void kill();
  // Waits for its end; what it said if it failed for another reason than its server's death.
  Status wait(unsigned timeout_ms);

 private:
  pid_t pid_ = -1;
  int ready_fd_ = -1;  // a byte: the first answer; then text: why it failed
};

}  // namespace tlog::crash
