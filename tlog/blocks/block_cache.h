// File: tlog/blocks/block_cache.h
// BlockCache: the newest contents of blocks that were read, in bounded memory. In front of block
// storage that has to be asked over a network.
//
// Never stale: what a reader fetched is taken only when the block has not been changed since its
// ticket was drawn, and a change is told (changed(), forget()) after the servers have confirmed it
// and before its overlay is given up. A fetch that began later finds the new bytes on the servers;
// one that began earlier has an old ticket. While the change is on its way the overlay in front
// covers the range. Which block is dropped when there is no room: the one that was longest not
// read, roughly (clock).
//
// Threading: any thread; blocks are spread over stripes with a lock each.
#pragma once

#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

#include "tlog/base/buffer.h"
#include "tlog/base/mutex.h"
#include "tlog/base/types.h"

namespace tlog::blocks {

class BlockCache {
 public:
  using Ticket = std::uint32_t;

  // Keeps at most `bytes`; less than one block a stripe: nothing is kept.
  BlockCache(std::uint64_t bytes, std::uint32_t block_size);

  bool enabled() const { return slots_per_stripe_ != 0; }
  // The block's bytes from `skip` on, if it is there.
  bool read(std::uint64_t index, std::uint32_t skip, ByteSpan into);
  bool has(std::uint64_t index);
  // To be drawn before the servers are asked.
  Ticket ticket(std::uint64_t index);
  // `block`: all of it; empty for zeros. Not taken when it has changed since the ticket.
  void insert(std::uint64_t index, ConstByteSpan block, Ticket ticket);
  // The servers have these bytes now (empty: zeros); kept only if the block is here already.
  void changed(std::uint64_t index, ConstByteSpan block);
  // What the servers have in [first, end) is not known, or is not worth keeping.
  void forget(std::uint64_t first, std::uint64_t end);

 private:
  static constexpr std::size_t kStripes = 16;
  static constexpr std::size_t kTickets = 1024;  // of a stripe; blocks that share one are harmless

  struct Slot {
    std::uint64_t index = 0;
    bool used = false;
    bool recent = false;
    bool zeros = false;
  };
  struct Stripe {
    Mutex mutex;
    std::unordered_map<std::uint64_t, std::size_t> where GUARDED_BY(mutex);
    std::vector<Slot> slots GUARDED_BY(mutex);
    std::size_t hand GUARDED_BY(mutex) = 0;
    Buffer memory GUARDED_BY(mutex);
    std::array<Ticket, kTickets> tickets GUARDED_BY(mutex) = {};
  };
  Stripe& stripe_of(std::uint64_t index) { return *stripes_[index % kStripes]; }
  static std::size_t ticket_of(std::uint64_t index) { return index / kStripes % kTickets; }
  std::byte* bytes_of(Stripe& stripe, std::size_t slot) REQUIRES(stripe.mutex) {
    return stripe.memory.data() + slot * block_size_;
  }
  void store(Stripe& stripe, std::size_t slot, ConstByteSpan block) REQUIRES(stripe.mutex);
  std::size_t free_slot(Stripe& stripe) REQUIRES(stripe.mutex);
  void drop(Stripe& stripe, std::uint64_t index) REQUIRES(stripe.mutex);

  const std::uint32_t block_size_;
  const std::size_t slots_per_stripe_;
  std::vector<std::unique_ptr<Stripe>> stripes_;
};

}  // namespace tlog::blocks
