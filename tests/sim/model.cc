#include "tests/sim/model.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/walk/log_place.h"

namespace tlog::sim {

void Model::appended(const testing::Appended& made, const shard::ShardSet& shards,
                     unsigned quorum) {
  newest_epoch_ = std::max(newest_epoch_, made.reference.epoch);
  Item item{.made = made, .quorum = quorum, .shards = {}, .lost = {}};
  for (unsigned i = 0; i < shards.geometry().total(); ++i) {
    std::string& bytes = item.shards.emplace_back();
    for (ConstByteSpan piece : shards.pieces(i)) {
      bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    }
  }
  for (const auto& [hash, other] : items_) {
    if (other.made.reference.number == made.reference.number &&
        other.made.reference.epoch == made.reference.epoch) {
      world_.fail(fmt::format("aggregation {} of epoch {} is written twice: two writers had it",
                              made.reference.number, made.reference.epoch));
    }
  }
  items_.emplace(made.reference.hash.bytes, std::move(item));
}

const Model::Item* Model::find(const Hash256& hash) const {
  const auto found = items_.find(hash.bytes);
  return found == items_.end() ? nullptr : &found->second;
}

void Model::acknowledged(const format::AggregationReference& reference) {
  std::vector<Hash256> newer;  // than the chain, backwards
  Hash256 hash = reference.hash;
  AggregationNumber number = reference.number;
  for (; number > chain_.size(); --number) {
    newer.push_back(hash);
    hash = find(hash)->made.prev;
  }
  if (number > 0 && chain_[number - 1] != hash) {
    return world_.fail(
        fmt::format("the acknowledged aggregation {} of epoch {} does not follow the "
                    "acknowledged {}",
                    reference.number, reference.epoch, number));
  }
  chain_.insert(chain_.end(), newer.rbegin(), newer.rend());
  for (const Hash256& each : newer) check_stored(*find(each), reference);
}

unsigned Model::index_on(const SimServer& server, AggregationNumber number) const {
  const unsigned total = walk::geometry_of(format_).total();
  for (unsigned i = 0; i < total; ++i) {
    if (walk::store_of(number, i, network_.size()) == server.index()) return i;
  }
  return total;
}

bool Model::is_intact(SimServer& server, const Item& item) {
  const format::AggregationReference& made = item.made.reference;
  const unsigned index = index_on(server, made.number);
  if (index >= item.shards.size()) return false;
  return server.value(format::shard_key(format_.name, made.epoch, made.number)) ==
         item.shards[index];
}

// Committed means at the write quorum, and what comes before it too, whoever has written it.
void Model::check_stored(const Item& item, const format::AggregationReference& acknowledged) {
  unsigned stored = 0;
  for (unsigned i = 0; i < network_.size(); ++i) {
    if (is_intact(network_[i], item) || item.lost.contains(i)) ++stored;
  }
  if (stored >= item.quorum) return;
  world_.fail(fmt::format(
      "aggregation {} was acknowledged, and {} of epoch {} is on {} servers only",
      acknowledged.number, item.made.reference.number, item.made.reference.epoch, stored));
}

AggregationNumber Model::committed_before(Epoch epoch) const {
  AggregationNumber number = chain_.size();
  while (number > 0 && items_.at(chain_[number - 1].bytes).made.reference.epoch >= epoch) --number;
  return number;
}

void Model::check_head(const std::string& who, AggregationNumber committed,
                       const walk::LogHead& head) {
  if (head.number < committed) {
    return world_.fail(
        fmt::format("{}: the log ends at {}, {} were acknowledged", who, head.number, committed));
  }
  if (head.number == 0) return;
  const Item* item = find(head.hash);
  if (item == nullptr || item->made.reference.number != head.number) {
    return world_.fail(
        fmt::format("{}: the head {} is nothing that was appended", who, head.number));
  }
  // Back to what is committed now.
  for (; item != nullptr && item->made.reference.number > chain_.size();)
    item = find(item->made.prev);
  if (item == nullptr || chain_.empty()) return;
  if (item->made.reference.hash != chain_[item->made.reference.number - 1]) {
    // The tail of one who did not get it acknowledged may be seen by who began to look before it
    // was replaced.
    if (item->made.reference.number <= committed) {
      world_.fail(fmt::format("{}: aggregation {} is not the acknowledged one", who,
                              item->made.reference.number));
    }
  }
}

void Model::check_visited(const std::string& who, AggregationNumber committed,
                          const seal::Opened& found, const Hash256& before) {
  const AggregationNumber number = found.aggregation.header.number;
  const Item* item = find(found.hash);
  if (item == nullptr) {
    return world_.fail(fmt::format("{}: aggregation {} is nothing that was appended", who, number));
  }
  const std::string wrong = testing::AggregationMaker::difference(found, item->made);
  if (!wrong.empty()) world_.fail(fmt::format("{}: aggregation {}: {}", who, number, wrong));
  if (number <= committed && found.hash != chain_[number - 1]) {
    world_.fail(fmt::format("{}: aggregation {} is not the acknowledged one", who, number));
  }
  if (number > 1 && before != item->made.prev) {
    world_.fail(fmt::format("{}: aggregation {} does not follow the one before it", who, number));
  }
}

// ---- What may be lost ----

unsigned Model::intact_elsewhere(const SimServer& server, const Item& item) {
  unsigned intact = 0;
  for (unsigned i = 0; i < network_.size(); ++i) {
    if (i != server.index() && is_intact(network_[i], item)) ++intact;
  }
  return intact;
}

// Each epoch's metadata has a key of its own: the newest there is.
Model::Age Model::metadata_on(SimServer& server) const {
  for (Epoch epoch = newest_epoch_ + 1; epoch-- > 0;) {
    const auto value = server.value(format::metadata_key(format_.name, epoch));
    if (!value) continue;
    const auto copy = format::decode_metadata(bytes_of(std::string_view(*value)));
    if (copy) return {epoch, copy->generation};
  }
  return {};
}

// What was published is found as long as the least quorum has it.
bool Model::metadata_may_be_lost(const SimServer& server) {
  std::vector<Age> others;
  Age newest;
  for (unsigned i = 0; i < network_.size(); ++i) {
    const Age age = metadata_on(network_[i]);
    newest = std::max(newest, age);
    if (i != server.index()) others.push_back(age);
  }
  const auto have = std::count(others.begin(), others.end(), newest);
  return static_cast<std::size_t>(have) >=
         walk::least_metadata_quorum(network_.size(), walk::geometry_of(format_));
}

// Its writer may have been told that the servers have it which have lost it since, and commits it
// with the others' confirmations: of these k must be left then.
bool Model::may_lose_uncommitted(SimServer& server, const Item& item) {
  if (!is_intact(server, item) || may_lose_shard(server, item)) return true;
  unsigned lost = 1;
  for (unsigned i : item.lost) {
    if (i != server.index() && !is_intact(network_[i], item)) ++lost;
  }
  return lost + format_.data_shards <= item.quorum;
}

bool Model::may_lose_all(SimServer& server) {
  if (!metadata_may_be_lost(server)) return false;
  for (AggregationNumber number = 1; number <= chain_.size(); ++number) {
    if (!may_lose_shard(server, number)) return false;
  }
  for (const Item* tail = find(relied_);
       tail != nullptr && tail->made.reference.number > chain_.size();
       tail = find(tail->made.prev)) {
    if (!may_lose_shard(server, *tail)) return false;
  }
  return std::all_of(items_.begin(), items_.end(), [&](const auto& entry) {
    const Item& item = entry.second;
    return item.made.reference.number <= chain_.size() || may_lose_uncommitted(server, item);
  });
}

bool Model::all_others_are_whole(const SimServer& server) {
  for (const Hash256& hash : chain_) {
    const Item& item = *find(hash);
    for (unsigned i = 0; i < network_.size(); ++i) {
      if (i != server.index() && !is_intact(network_[i], item)) return false;
    }
  }
  // Nor has another one just lost what its writer may have been told is there, and commits with it.
  for (const auto& [hash, item] : items_) {
    if (item.made.reference.number <= chain_.size()) continue;
    for (unsigned i : item.lost) {
      if (i != server.index() && !is_intact(network_[i], item)) return false;
    }
  }
  return true;
}

void Model::lose(SimServer& server, const std::function<void()>& fault) {
  std::vector<Item*> had;
  for (auto& [hash, item] : items_) {
    if (is_intact(server, item)) had.push_back(&item);
  }
  fault();
  for (Item* item : had) {
    if (!is_intact(server, *item)) item->lost.insert(server.index());
  }
}

// ---- At the end ----

std::string Model::key(AggregationNumber number) const {
  return format::shard_key(format_.name, committed_item(number).made.reference.epoch, number);
}

void Model::check_complete() {
  for (AggregationNumber number = 1; number <= chain_.size(); ++number) {
    const Item& item = committed_item(number);
    for (unsigned i = 0; i < network_.size(); ++i) {
      if (index_on(network_[i], number) >= item.shards.size() || is_intact(network_[i], item)) {
        continue;
      }
      world_.fail(fmt::format("after the heal server{} does not have its shard of aggregation {}",
                              i, number));
    }
  }
}

}  // namespace tlog::sim
