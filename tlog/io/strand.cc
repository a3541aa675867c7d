#include "tlog/io/strand.h"

namespace tlog::io {
namespace {

constexpr unsigned kStepsInTurn = 8;

}  // namespace

// False: it is stopped, or whoever runs it now looks again.
bool Strand::begin() {
  MutexLock lock(mutex_);
  if (stopped_) return false;
  if (running_) {
    again_ = true;
    return false;
  }
  return running_ = true;
}

void Strand::schedule() {
  if (begin()) workers_.submit([this] { run(); });
}

void Strand::run_here() {
  if (begin() && steps(1)) workers_.submit([this] { run(); });
}

// Whoever has much to do lets others have the worker in between.
void Strand::run() {
  if (steps(kStepsInTurn)) workers_.submit([this] { run(); });
}

// Whether there is more to do.
bool Strand::steps(unsigned count) {
  for (unsigned done = 1;; ++done) {
    const bool more = step_();
    MutexLock lock(mutex_);
    if (stopped_ || (!more && !again_)) {
      running_ = false;
      idle_.notify_all();
      return false;
    }
    again_ = false;
    if (done == count) return true;
  }
}

void Strand::stop_and_wait() {
  MutexLock lock(mutex_);
  stopped_ = true;
  while (running_) idle_.wait(mutex_);
}

}  // namespace tlog::io
