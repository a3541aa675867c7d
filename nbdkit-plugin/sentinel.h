// File: nbdkit-plugin/sentinel.h
// ShutdownSentinel: a thread that notices that nbdkit is told to end. nbdkit 1.32 then waits for
// every client to say something or hang up, which may take for ever, and calls no callback
// meanwhile; the sentinel stores what is there in that time, before somebody loses patience and
// sends SIGKILL. Threading: start() after the fork, join() at cleanup, from one thread;
// `on_shutdown` runs on the sentinel's thread.
#pragma once

#include <functional>
#include <thread>

#include "tlog/base/result.h"

namespace tlog::plugin {

class ShutdownSentinel {
 public:
  ShutdownSentinel() = default;
  ~ShutdownSentinel() { join(); }
  ShutdownSentinel(const ShutdownSentinel&) = delete;
  ShutdownSentinel& operator=(const ShutdownSentinel&) = delete;

  Status start(std::function<void()> on_shutdown);
  // Tells nbdkit to end, in case it has not been told (nbdkit -s), waits for `on_shutdown` and the
  // thread.
  void join();

 private:
  std::thread thread_;
};

}  // namespace tlog::plugin
