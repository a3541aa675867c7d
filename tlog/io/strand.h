// File: tlog/io/strand.h
// Strand: work that must not run twice at once, in steps on the workers. Threading: see each call.
// Owner: who has what the steps work on; stop_and_wait() before that goes.
#pragma once

#include <functional>

#include "tlog/base/mutex.h"
#include "tlog/io/workers.h"

namespace tlog::io {

// Runs one task at a time, on the workers as a rule, again when told so during the task. After a few
// steps it queues up again, so that many strands share few workers.
class Strand {
 public:
  // `step` returns whether it shall be called again at once.
  Strand(Workers& workers, std::function<bool()> step)
      : workers_(workers), step_(std::move(step)) {}
  Strand(const Strand&) = delete;
  Strand& operator=(const Strand&) = delete;

  void schedule();  // any thread
  // For who waits for it: one step in the calling thread, when none is running; the rest, if there
  // is any, on the workers. Any thread that may block.
  void run_here();
  void stop_and_wait();  // no step begins afterwards; not from a worker

 private:
  bool begin();
  void run();
  bool steps(unsigned count);

  Workers& workers_;
  const std::function<bool()> step_;
  Mutex mutex_;
  CondVar idle_;
  bool running_ GUARDED_BY(mutex_) = false;
  bool again_ GUARDED_BY(mutex_) = false;
  bool stopped_ GUARDED_BY(mutex_) = false;
};

}  // namespace tlog::io
