// File: tlog/journal/committer.h
// Committer: group commit of one journal. One batch is in flight; while it is written and synced
// the next one gathers by itself, without artificial delay.
//
// Who waits for durability and finds nobody committing commits in its own thread: a lone flush
// costs one write and one sync, no hand-off. Those that come meanwhile wait, and when the batch is
// done one of them leads the next. What nobody waits for (plain writes that have gathered) is
// committed by the ring thread.
//
// Threading: any thread. on_commit runs in the thread that led the batch.
// Durability: the watermark `durable` reaches s when every record up to s survives power loss.
// Errors: the first failed write or sync is final: on_failure once, then nothing is committed any
// more.
#pragma once

#include <array>
#include <atomic>
#include <functional>

#include "tlog/base/watermark.h"
#include "tlog/io/loop.h"
#include "tlog/journal/journal.h"

namespace tlog::journal {

class Committer {
 public:
  struct Hooks {
    std::function<void()> on_commit;  // `durable` has advanced
    std::function<void(const Error&)> on_failure;
  };
  // Journal, loop and watermark must outlive the committer, the committer its last batch: busy().
  Committer(Journal& journal, io::Loop& loop, Watermark& durable, Hooks hooks);
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  // Enough has gathered: commit what has been appended as soon as possible. Never blocks.
  void request();
  // Until everything up to `sequence`, which has been appended, is durable. False: failed.
  bool wait(Sequence sequence);
  bool busy() const { return busy_.load(); }

 private:
  // Those who wait for one batch. Batches alternate between two of these.
  struct Waiters {
    std::atomic<std::uint32_t> word{0};  // changes when they shall look again
    std::atomic<std::uint32_t> count{0};
  };

  bool begin() REQUIRES(mutex_);
  void lead();
  void run_on_ring();
  void write_part(std::size_t index);
  void finish(const Status& status);
  Waiters& waiters_of(std::uint64_t batch) { return waiters_[batch % waiters_.size()]; }
  static void wake(Waiters& waiters, int threads);

  Journal& journal_;
  io::Loop& loop_;
  Watermark& durable_;
  const Hooks hooks_;
  std::atomic<bool> requested_{false};
  std::array<Waiters, 2> waiters_;

  std::atomic<bool> busy_{false};  // changes under mutex_; request() may only look

  Mutex mutex_;  // taken before the journal's
  bool failed_ GUARDED_BY(mutex_) = false;
  std::uint64_t number_ GUARDED_BY(mutex_) = 0;  // of the batch in flight, or of the last one
  Sequence last_ GUARDED_BY(mutex_) = 0;         // of its records
  // Of the thread that leads the batch, handed on under mutex_.
  Journal::Batch batch_;
  std::vector<Journal::Part> parts_;
};

}  // namespace tlog::journal
