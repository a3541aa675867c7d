#include "tlog/flush/scrub_look.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "tlog/walk/shard_check.h"

namespace tlog::flush {
namespace {

// The value that most have.
template <class Value, class Of>
Value most_common(const auto& shards, Of value_of) {
  std::map<Value, std::size_t> counts;
  for (const auto& shard : shards) {
    if (std::optional<Value> value = value_of(shard)) ++counts[*value];
  }
  auto most = std::max_element(counts.begin(), counts.end(),
                               [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == counts.end() ? Value{} : most->first;
}

}  // namespace

void ScrubbedShard::has_failed(const Error& error) {
  const Code code = error.code();
  verdict = code == Code::kNotFound     ? ShardVerdict::kMissing
            : code == Code::kCorruption ? ShardVerdict::kWrong
                                        : ShardVerdict::kUnreachable;
  why = error.message();
}

void check_values(const walk::LogPlace& place, ScrubLook& look) {
  for (unsigned i = 0; i < look.shards.size(); ++i) {
    ScrubbedShard& shard = look.shards[i];
    if (shard.verdict != ShardVerdict::kGood) continue;
    auto view = walk::check_shard(place, {look.epoch, look.number, i}, shard.value.span());
    if (view) {
      shard.identity = view->identity;
    } else {
      shard.verdict = ShardVerdict::kWrong;
      shard.why = view.error().message();
    }
    shard.value = Buffer();
  }
}

void compare_shards(ScrubLook& look) {
  auto length = most_common<std::uint64_t>(look.shards, [](const ScrubbedShard& shard) {
    return shard.verdict == ShardVerdict::kGood ? std::optional(shard.length) : std::nullopt;
  });
  auto hash =
      most_common<std::array<std::uint8_t, 32>>(look.shards, [](const ScrubbedShard& shard) {
        return shard.verdict == ShardVerdict::kGood
                   ? std::optional(shard.identity.aggregation_hash.bytes)
                   : std::nullopt;
      });
  for (ScrubbedShard& shard : look.shards) {
    if (shard.verdict != ShardVerdict::kGood) continue;
    if (shard.length == length && shard.identity.aggregation_hash.bytes == hash) continue;
    shard.verdict = ShardVerdict::kWrong;
    shard.why = shard.length != length
                    ? fmt::format("has {} bytes, the others {}", shard.length, length)
                    : "is a shard of other bytes than the others";
  }
}

}  // namespace tlog::flush
