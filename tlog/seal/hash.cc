#include "tlog/seal/hash.h"

#include <sodium.h>

#include <algorithm>

#include "tlog/base/assert.h"
#include "tlog/seal/blake2b_lanes.h"
#include "tlog/seal/sodium.h"

namespace tlog::seal {
namespace {

constexpr std::size_t kBlock = 128;
constexpr std::array<std::uint64_t, 8> kStart = {
    0x6a09e667f3bcc908 ^ 0x01010020,  // no key, 32 bytes of result
    0xbb67ae8584caa73b,
    0x3c6ef372fe94f82b,
    0xa54ff53a5f1d36f1,
    0x510e527fade682d1,
    0x9b05688c2b3e6c1f,
    0x1f83d9abfb41bd6b,
    0x5be0cd19137e2179};

// Runs a batch through L lanes. A lane that has ended its message takes the next one, so that lanes
// stay full whatever the mix of lengths; lanes with nothing left to do hash another lane's bytes
// and are not looked at.
template <std::size_t L>
class LaneRunner {
 public:
  LaneRunner(LaneKernel kernel, std::span<const ConstByteSpan> messages, std::span<Hash256> outputs)
      : kernel_(kernel), messages_(messages), outputs_(outputs) {}

  void run() {
    for (Lane& lane : lanes_) take_next(lane);
    while (const Lane* some = find_active()) {
      std::size_t steps = ~std::size_t{0};
      for (const Lane& lane : lanes_) {
        if (lane.active) steps = std::min(steps, blocks_before_last(lane));
      }
      if (steps > 0) run_blocks(steps, *some);
      run_last_blocks(*some);
    }
  }

 private:
  struct Lane {
    const unsigned char* at = nullptr;
    std::size_t left = 0;
    std::uint64_t done = 0;
    std::size_t index = 0;
    bool active = false;
  };

  static std::size_t blocks_before_last(const Lane& lane) {
    return lane.left == 0 ? 0 : (lane.left - 1) / kBlock;
  }

  const Lane* find_active() const {
    for (const Lane& lane : lanes_) {
      if (lane.active) return &lane;
    }
    return nullptr;
  }

  void take_next(Lane& lane) {
    lane.active = next_ < messages_.size();
    if (!lane.active) return;
    const ConstByteSpan message = messages_[next_];
    lane = {.at = reinterpret_cast<const unsigned char*>(message.data()),
            .left = message.size(),
            .done = 0,
            .index = next_++,
            .active = true};
    const auto number = static_cast<std::size_t>(&lane - lanes_.data());
    for (std::size_t word = 0; word < kStart.size(); ++word)
      states_[word * L + number] = kStart[word];
  }

  // Every active lane has more than `steps` blocks.
  void run_blocks(std::size_t steps, const Lane& filler) {
    for (std::size_t i = 0; i < L; ++i) {
      const Lane& lane = lanes_[i].active ? lanes_[i] : filler;
      from_[i] = lane.at;
      totals_[i] = lane.done + kBlock;
      last_[i] = 0;
    }
    kernel_({states_.data(), from_.data(), steps, totals_.data(), last_.data()});
    for (Lane& lane : lanes_) {
      if (lane.active) advance(lane, steps * kBlock);
    }
  }

  // One block in every lane, for some of them the last.
  void run_last_blocks(const Lane& filler) {
    const std::size_t filler_number = static_cast<std::size_t>(&filler - lanes_.data());
    for (std::size_t i = 0; i < L; ++i) {
      if (lanes_[i].active) prepare_last(i);
    }
    for (std::size_t i = 0; i < L; ++i) {
      if (!lanes_[i].active) from_[i] = from_[filler_number];
    }
    kernel_({states_.data(), from_.data(), 1, totals_.data(), last_.data()});
    for (std::size_t i = 0; i < L; ++i) {
      if (!lanes_[i].active) continue;
      if (last_[i] == 0) {
        advance(lanes_[i], kBlock);
      } else {
        finish(i);
      }
    }
  }

  void prepare_last(std::size_t i) {
    const Lane& lane = lanes_[i];
    from_[i] = lane.at;
    const bool last = lane.left <= kBlock;
    last_[i] = last ? ~std::uint64_t{0} : 0;
    totals_[i] = lane.done + (last ? lane.left : kBlock);
    if (!last || lane.left == kBlock) return;
    auto& padded = padded_[i];
    if (lane.left > 0) std::memcpy(padded.data(), lane.at, lane.left);
    std::memset(padded.data() + lane.left, 0, kBlock - lane.left);
    from_[i] = padded.data();
  }

  void finish(std::size_t i) {
    Hash256& output = outputs_[lanes_[i].index];
    for (std::size_t word = 0; word < 4; ++word)
      std::memcpy(output.bytes.data() + word * 8, &states_[word * L + i], 8);
    take_next(lanes_[i]);
  }

  static void advance(Lane& lane, std::size_t bytes) {
    lane.at += bytes;
    lane.left -= bytes;
    lane.done += bytes;
  }

  const LaneKernel kernel_;
  const std::span<const ConstByteSpan> messages_;
  const std::span<Hash256> outputs_;
  std::size_t next_ = 0;
  alignas(64) std::array<std::uint64_t, 8 * L> states_{};
  std::array<std::uint64_t, L> totals_{};
  std::array<std::uint64_t, L> last_{};
  std::array<const unsigned char*, L> from_{};
  std::array<Lane, L> lanes_{};
  std::array<std::array<unsigned char, kBlock>, L> padded_;
};

HashLanes best_lanes(std::size_t messages) {
  if (messages == 1) return HashLanes::kPortable;  // one stream: libsodium is as fast as a lane
  if (hash_lanes_available(HashLanes::kAvx512)) return HashLanes::kAvx512;
  return hash_lanes_available(HashLanes::kAvx2) ? HashLanes::kAvx2 : HashLanes::kPortable;
}

}  // namespace

bool hash_lanes_available(HashLanes lanes) {
  switch (lanes) {
#if defined(__x86_64__)
    case HashLanes::kAvx2:
      return __builtin_cpu_supports("avx2") != 0;
    case HashLanes::kAvx512:
      return __builtin_cpu_supports("avx512f") != 0;
#else
    case HashLanes::kAvx2:
    case HashLanes::kAvx512:
      return false;
#endif
    case HashLanes::kBest:
    case HashLanes::kPortable:
      return true;
  }
  return false;
}

Hash256 hash_one(ConstByteSpan message) {
  TLOG_ASSERT(sodium_ready());
  Hash256 hash;
  crypto_generichash(hash.bytes.data(), hash.bytes.size(),
                     reinterpret_cast<const unsigned char*>(message.data()), message.size(),
                     nullptr, 0);
  return hash;
}

void hash_many(std::span<const ConstByteSpan> messages, std::span<Hash256> outputs,
               HashLanes lanes) {
  TLOG_ASSERT(messages.size() == outputs.size());
  TLOG_ASSERT(hash_lanes_available(lanes));
  if (lanes == HashLanes::kBest) lanes = best_lanes(messages.size());
  switch (lanes) {
#if defined(__x86_64__)
    case HashLanes::kAvx512:
      return LaneRunner<8>(blake2b_blocks_avx512, messages, outputs).run();
    case HashLanes::kAvx2:
      return LaneRunner<4>(blake2b_blocks_avx2, messages, outputs).run();
#endif
    default:
      for (std::size_t i = 0; i < messages.size(); ++i) outputs[i] = hash_one(messages[i]);
  }
}

}  // namespace tlog::seal
