// File: tlog/journal/committer.h
// Committer: group commit of one journal on the ring thread. One batch is in flight; while it is
// written and synced the next one gathers by itself, without artificial delay.
//
// Threading: request() from any thread, never blocking; hooks run on the loop's thread.
// Durability: on_durable(s) says that every record up to s survives power loss.
// Errors: the first failed write or sync is final: on_failure once, then nothing is committed any
// more.
#pragma once

#include <atomic>
#include <functional>

#include "tlog/io/loop.h"
#include "tlog/journal/journal.h"

namespace tlog::journal {

class Committer {
 public:
  struct Hooks {
    std::function<void(Sequence)> on_durable;
    std::function<void(const Error&)> on_failure;
  };
  // Journal and loop must outlive the committer, the committer its last batch: see busy().
  Committer(Journal& journal, io::Loop& loop, Hooks hooks);
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  // Somebody waits, or enough has gathered: commit what has been appended as soon as possible.
  void request();
  bool busy() const { return busy_.load(); }

 private:
  void run();
  void write_part(std::size_t index);
  void finish(const Status& status);

  Journal& journal_;
  io::Loop& loop_;
  const Hooks hooks_;
  std::atomic<bool> requested_{false};
  std::atomic<bool> busy_{false};
  // Loop thread only:
  bool failed_ = false;
  Journal::Batch batch_;
  std::vector<Journal::Part> parts_;
};

}  // namespace tlog::journal
