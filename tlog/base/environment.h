// File: tlog/base/environment.h
// What a thread takes for time, chance and waiting. In a program that is the operating system, and
// nothing is installed. A simulation installs an environment of its own on its thread: then
// system_clock(), system_random() and CondVar mean what it says, on that thread alone, so that
// hours pass in moments, and the same seed gives the same run.
//
// Threading: an environment serves the threads that have installed it; what waits on one of them is
// woken from there only.
#pragma once

#include <cstdint>

#include "tlog/base/types.h"

namespace tlog {

class CondVar;
class Mutex;

class Environment {
 public:
  virtual ~Environment() = default;

  virtual TimestampNs wall_ns() const = 0;
  virtual std::uint64_t monotonic_ns() const = 0;
  virtual void fill_random(ByteSpan bytes) = 0;

  // Gives `mutex` back, lets others go on until `condition` was notified or monotonic_ns() is
  // `deadline_ns`, and takes it again. It may return early, as any wait on a condition may.
  virtual void wait(CondVar& condition, Mutex& mutex, std::uint64_t deadline_ns) = 0;
  virtual void notified(CondVar& condition) = 0;
};

// Of the calling thread; null: the operating system's.
inline constinit thread_local Environment* thread_environment = nullptr;

}  // namespace tlog
