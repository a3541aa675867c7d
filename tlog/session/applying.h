// File: tlog/session/applying.h
// Applying: the strand that brings durable records to block storage; step 7 of a write's way. A
// batch of records is laid over each other first, so that only the newest bytes of each range are
// written, in the order of offsets.
//
// Only durable records are applied: after power loss block storage never has what the journal has
// lost. Later records that overwrite the same range are applied by later batches; batches follow
// each other in order. Threading: step() on a worker, one at a time. Errors: block storage that
// does not take a write is tried again; meanwhile the overlay keeps serving what it lacks.
#pragma once

#include "tlog/session/core.h"

namespace tlog::session {

class Applying {
 public:
  explicit Applying(Core& core) : core_(core) {}

  bool step();                               // false: nothing (more) to do for now
  bool due() const REQUIRES(core_.mutex());  // step() would find something
  // After a failed attempt: when to try again, as a duration from now. Set once before serving
  // starts.
  std::function<void(std::uint64_t after_ns)> retry_later;

 private:
  struct Batch {
    Sequence first = 0;
    Sequence end = 0;
    std::vector<journal::Entry> entries;
    std::shared_ptr<blocks::BlockStorage> storage;  // that it goes to, all of it
    journal::Position begin = 0;
    bool pinned = false;
    const std::byte* memory = nullptr;  // of `begin`
    Buffer read_back;
    const std::byte* bytes(journal::Position position) const { return memory + (position - begin); }
  };
  bool take(Batch& batch);
  Status write_out(const Batch& batch, const std::vector<Overlay::Piece>& newest);
  void forget_applied(const Batch& batch, const std::vector<Overlay::Piece>& newest);
  void note_failure(const Error& error);

  Core& core_;
};

}  // namespace tlog::session
