// Calls: what of a server's calls is under way, and the threads that carry it out: how much memory
// it holds, who takes too long, and when there is none. For grpc_service.cc alone, which cannot see
// mutexes: the library has macros of the same names.
//
// Threading: any thread; stop() and the destructor from one.
// Errors: kUnavailable from admit() when too much is under way, kShutdown after stop_admitting().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "tlog/base/result.h"

namespace tlog::cas {

class Calls {
 public:
  using Id = std::uint64_t;

  static std::unique_ptr<Calls> start(unsigned threads, std::uint64_t bytes_max);
  virtual ~Calls() = default;  // stop()

  // One more, with so many bytes; `cancel` may be called until end(), from any thread.
  virtual Result<Id> admit(std::uint64_t bytes, std::function<void()> cancel) = 0;
  // Of one that was admitted: its work, which one of the threads does as soon as there is room for
  // an answer of so many bytes; those that wait for it are let in in their order.
  virtual void submit(Id id, std::uint64_t answer_bytes_max, std::function<void()> work) = 0;
  // The answer has so many bytes; what was kept free for it beyond them is given back.
  virtual void has_answer(Id id, std::uint64_t bytes) = 0;
  // Nobody wants its answer any more: if it waits for room, its work is done at once.
  virtual void hurry(Id id) = 0;
  virtual void end(Id id) = 0;

  // Those of them that wait for room are hurried before any of their places is given to another.
  virtual void cancel_older_than(std::uint64_t ns) = 0;
  virtual void stop_admitting() = 0;
  // Waits until none is under way; no thread works afterwards.
  virtual void stop() = 0;
};

}  // namespace tlog::cas
