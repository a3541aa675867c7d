// File: tlog/io/workers.h
// A small pool of named threads for work that computes or blocks (sealing, applying, reading back), so that the ring
// thread never does. Tasks start in the order of submit().
// Threading: submit() from any thread. stop() finishes what was submitted and joins; submit() after it is an error of ours.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tlog/base/mutex.h"

namespace tlog::io {

class Workers {
 public:
  Workers() = default;
  virtual ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void start(unsigned threads, const std::string& name);
  void stop();
  virtual void submit(std::function<void()> task);  // virtual: a simulation has no threads
  unsigned threads() const { return static_cast<unsigned>(threads_.size()); }

 private:
  void run();

  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> tasks_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace tlog::io
