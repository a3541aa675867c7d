#include "tlog/io/workers.h"

#include <pthread.h>

#include <utility>

#include "tlog/base/assert.h"

namespace tlog::io {

Workers::~Workers() {
  stop();
}

void Workers::start(unsigned threads, const std::string& name) {
  TLOG_ASSERT(threads_.empty());
  {
    MutexLock lock(mutex_);
    stopping_ = false;
  }
  threads_.reserve(threads);
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { run(); });
    // The kernel keeps 15 characters; a longer name would be refused as a whole.
    std::string thread_name = (name + "/" + std::to_string(i)).substr(0, 15);
    pthread_setname_np(threads_.back().native_handle(), thread_name.c_str());
  }
}

void Workers::stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Workers::submit(std::function<void()> task) {
  {
    MutexLock lock(mutex_);
    TLOG_ASSERT(!stopping_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_one();
}

void Workers::run() {
  for (;;) {
    std::function<void()> task;
    {
      MutexLock lock(mutex_);
      while (tasks_.empty() && !stopping_) changed_.wait(mutex_);
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace tlog::io
