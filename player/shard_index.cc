#include "player/shard_index.h"

#include <algorithm>
#include <cstring>
#include <tuple>

namespace tlog::player {

namespace {

auto order_of(const FoundShard& shard) {
  return std::tuple(shard.number, shard.epoch, shard.tag, shard.index);
}
auto aggregation_of(const FoundShard& shard) {
  return std::tuple(shard.number, shard.epoch, shard.tag);
}

}  // namespace

std::uint64_t tag_of(const Hash256& hash) {
  std::uint64_t tag = 0;
  std::memcpy(&tag, hash.bytes.data(), sizeof tag);
  return tag;
}

void ShardIndex::finish() {
  std::map<std::pair<std::uint8_t, std::uint8_t>, std::uint64_t> geometries;
  for (const FoundShard& shard : shards_) ++geometries[{shard.data, shard.parity}];
  std::uint64_t most = 0;
  for (const auto& [geometry, count] : geometries) {
    if (count <= most) continue;
    most = count;
    geometry_ = {.data = geometry.first, .parity = geometry.second};
  }
  misfits_ = std::erase_if(shards_, [this](const FoundShard& shard) {
    return shard.data != geometry_.data || shard.parity != geometry_.parity;
  });
  std::sort(shards_.begin(), shards_.end(),
            [](const FoundShard& a, const FoundShard& b) { return order_of(a) < order_of(b); });
  auto end = std::unique(shards_.begin(), shards_.end(),
                         [](const auto& a, const auto& b) { return order_of(a) == order_of(b); });
  copies_ = static_cast<std::uint64_t>(shards_.end() - end);
  shards_.erase(end, shards_.end());

  for (std::size_t i = 0; i < shards_.size();) {
    std::size_t next = i;
    while (next < shards_.size() && aggregation_of(shards_[next]) == aggregation_of(shards_[i])) {
      ++next;
    }
    EpochExtent& extent = epochs_[shards_[i].epoch];
    if (extent.first == 0) extent.first = shards_[i].number;
    if (next - i >= geometry_.data) {
      extent.last_enough = shards_[i].number;
      ++aggregations_;
    }
    i = next;
  }
}

std::vector<Candidate> ShardIndex::at(AggregationNumber number) const {
  auto shard = std::lower_bound(
      shards_.begin(), shards_.end(), number,
      [](const FoundShard& found, AggregationNumber wanted) { return found.number < wanted; });
  std::vector<Candidate> candidates;
  for (; shard != shards_.end() && shard->number == number; ++shard) {
    bool same = !candidates.empty() && candidates.back().epoch == shard->epoch &&
                candidates.back().tag == shard->tag;
    if (!same) candidates.push_back({number, shard->epoch, shard->tag, 0});
    ++candidates.back().shards;
  }
  std::reverse(candidates.begin(), candidates.end());
  return candidates;
}

AggregationNumber ShardIndex::before(AggregationNumber number) const {
  auto shard = std::lower_bound(
      shards_.begin(), shards_.end(), number,
      [](const FoundShard& found, AggregationNumber wanted) { return found.number < wanted; });
  return shard == shards_.begin() ? 0 : std::prev(shard)->number;
}

const FoundShard* ShardIndex::find(const Candidate& of, unsigned index) const {
  FoundShard wanted;
  wanted.number = of.number;
  wanted.epoch = of.epoch;
  wanted.tag = of.tag;
  wanted.index = static_cast<std::uint8_t>(index);
  auto found = std::lower_bound(
      shards_.begin(), shards_.end(), wanted,
      [](const FoundShard& a, const FoundShard& b) { return order_of(a) < order_of(b); });
  if (found == shards_.end() || order_of(*found) != order_of(wanted)) return nullptr;
  return &*found;
}

}  // namespace tlog::player
