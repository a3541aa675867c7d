#include "tlog/blocks/block_cache.h"

#include "tlog/base/assert.h"

namespace tlog::blocks {

BlockCache::BlockCache(std::uint64_t bytes, std::uint32_t block_size)
    : block_size_(block_size), slots_per_stripe_(bytes / block_size / kStripes) {
  for (std::size_t i = 0; i < kStripes; ++i) {
    auto stripe = std::make_unique<Stripe>();
    MutexLock lock(stripe->mutex);
    stripe->slots.resize(slots_per_stripe_);
    stripe->memory = Buffer(slots_per_stripe_ * block_size_);
    stripes_.push_back(std::move(stripe));
  }
}

bool BlockCache::read(std::uint64_t index, std::uint32_t skip, ByteSpan into) {
  TLOG_ASSERT(skip + into.size() <= block_size_);
  Stripe& stripe = stripe_of(index);
  MutexLock lock(stripe.mutex);
  auto found = stripe.where.find(index);
  if (found == stripe.where.end()) return false;
  Slot& slot = stripe.slots[found->second];
  slot.recent = true;
  if (slot.zeros) {
    std::memset(into.data(), 0, into.size());
  } else {
    std::memcpy(into.data(), bytes_of(stripe, found->second) + skip, into.size());
  }
  return true;
}

bool BlockCache::has(std::uint64_t index) {
  Stripe& stripe = stripe_of(index);
  MutexLock lock(stripe.mutex);
  return stripe.where.contains(index);
}

BlockCache::Ticket BlockCache::ticket(std::uint64_t index) {
  Stripe& stripe = stripe_of(index);
  MutexLock lock(stripe.mutex);
  return stripe.tickets[ticket_of(index)];
}

void BlockCache::store(Stripe& stripe, std::size_t slot, ConstByteSpan block) {
  TLOG_ASSERT(block.empty() || block.size() == block_size_);
  stripe.slots[slot].zeros = block.empty();
  if (!block.empty()) std::memcpy(bytes_of(stripe, slot), block.data(), block.size());
}

std::size_t BlockCache::free_slot(Stripe& stripe) {
  for (;;) {
    const std::size_t at = stripe.hand;
    stripe.hand = (stripe.hand + 1) % slots_per_stripe_;
    Slot& slot = stripe.slots[at];
    if (!slot.used) return at;
    if (slot.recent) {
      slot.recent = false;
      continue;
    }
    stripe.where.erase(slot.index);
    slot.used = false;
    return at;
  }
}

void BlockCache::insert(std::uint64_t index, ConstByteSpan block, Ticket ticket) {
  if (!enabled()) return;
  Stripe& stripe = stripe_of(index);
  MutexLock lock(stripe.mutex);
  if (stripe.tickets[ticket_of(index)] != ticket) return;
  auto found = stripe.where.find(index);
  if (found != stripe.where.end()) return;  // the same bytes, by another reader
  const std::size_t slot = free_slot(stripe);
  stripe.slots[slot].index = index;
  stripe.slots[slot].used = true;
  store(stripe, slot, block);
  stripe.where[index] = slot;
}

void BlockCache::changed(std::uint64_t index, ConstByteSpan block) {
  Stripe& stripe = stripe_of(index);
  MutexLock lock(stripe.mutex);
  ++stripe.tickets[ticket_of(index)];
  auto found = stripe.where.find(index);
  if (found != stripe.where.end()) store(stripe, found->second, block);
}

void BlockCache::drop(Stripe& stripe, std::uint64_t index) {
  auto found = stripe.where.find(index);
  if (found == stripe.where.end()) return;
  stripe.slots[found->second].used = false;
  stripe.where.erase(found);
}

void BlockCache::forget(std::uint64_t first, std::uint64_t end) {
  if (end - first <= kStripes * kTickets) {
    for (std::uint64_t index = first; index < end; ++index) {
      Stripe& stripe = stripe_of(index);
      MutexLock lock(stripe.mutex);
      ++stripe.tickets[ticket_of(index)];
      drop(stripe, index);
    }
    return;
  }
  // Longer than there are tickets: each of them has changed.
  for (auto& stripe : stripes_) {
    MutexLock lock(stripe->mutex);
    for (Ticket& ticket : stripe->tickets) ++ticket;
    for (Slot& slot : stripe->slots) {
      if (!slot.used || slot.index < first || slot.index >= end) continue;
      stripe->where.erase(slot.index);
      slot.used = false;
    }
  }
}

}  // namespace tlog::blocks
