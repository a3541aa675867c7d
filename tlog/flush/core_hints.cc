// File: tlog/flush/core_hints.cc
// What stores have missed: how it is remembered, and what becomes of it when memory is short.
#include <utility>

#include <fmt/format.h>

#include "tlog/flush/core.h"
#include "tlog/walk/chain.h"

namespace tlog::flush {
namespace {

constexpr std::uint64_t kHintsEveryNs = 2'000'000'000;
// Written to the disk with one sync.
constexpr std::uint64_t kHintBatchBytes = 8 * kMiB;

}  // namespace

// What the last writer left behind: shards known to be missing or wrong, and the newest
// aggregations, whose last puts may have been under way when it ended.
void Core::take_hints() {
  AggregationNumber complete = 0;
  if (hints_file_ && hints_file_->found()) {
    const Hints& hints = hints_file_->hints();
    complete = std::min(hints.complete, committed_);
    for (std::size_t i = 0; i < hints.missing.size(); ++i) {
      repair_->add_missing(i, hints.missing[i]);
      for (const auto& [first, last] : hints.wrong[i].runs()) {
        repair_->add_wrong(i, first, std::min(last, committed_));
      }
    }
  } else if (!hints_file_) {
    // There is never one: what the metadata says of the log is all there is to know.
    complete = std::min(metadata_.complete, committed_);
  } else if (committed_ > 0) {
    parts_.logger->info(
        fmt::format("event=hints_absent vdisk={} action=\"all {} aggregations are looked up, for "
                    "shards that are missing\"",
                    metadata_.format.name, committed_));
  }
  if (complete < committed_) repair_->add_doubtful(complete + 1, committed_);
  if (!parts_.hinted) return;
  for (const HintedShards::Name& name : parts_.hinted->names()) {
    if (name.number <= committed_ && walk::epoch_of(metadata_, name.number) == name.epoch) {
      repair_->add_missing(walk::store_of(name.number, name.index, parts_.stores.size()),
                           name.number);
    } else {
      parts_.hinted->forget(name);  // of an end that was written anew
    }
  }
}

// Up to where no store lacks a shard, as far as is known.
AggregationNumber Core::complete() const {
  if (!repair_) return metadata_.complete;
  AggregationNumber complete = committed_;
  if (!pending_.empty()) complete = std::min(complete, pending_.begin()->first - 1);
  return std::min(complete, repair_->settled(committed_));
}

// The file may lag behind what it is about (see HintsFile), so it is written in a while.
void Core::hints_changed() {
  if (stopped_ || closing_ || !hints_file_ || hints_timer_ != 0) return;
  hints_timer_ = parts_.loop->add_timer(kHintsEveryNs, [self = shared_from_this()] {
    self->hints_timer_ = 0;
    if (!self->stopped_) self->save_hints({});
  });
}

void Core::save_hints(std::function<void()> done) {
  if (!hints_file_) {
    if (done) done();
    return;
  }
  if (hints_saving_) {
    hints_again_ = true;
    if (done) hints_waiting_ = std::move(done);
    return;
  }
  Hints hints{.complete = committed_,
              .missing = std::vector<NumberSet>(parts_.stores.size()),
              .wrong = std::vector<NumberSet>(parts_.stores.size())};
  for (std::size_t i = 0; i < hints.missing.size(); ++i) {
    repair_->collect(i, hints.missing[i]);
    hints.wrong[i] = repair_->wrong(i);
    for (AggregationNumber number : lanes_->owed(i)) {
      if (number <= committed_) hints.missing[i].insert(number);
    }
  }
  hints_saving_ = true;
  hints_file_->save(
      *parts_.loop, hints, [self = shared_from_this(), file = hints_file_, done](Status status) {
        self->hints_saving_ = false;
        if (!status) {
          self->parts_.logger->warning(fmt::format("event=hints_not_saved vdisk={} reason=\"{}\"",
                                                   self->metadata_.format.name,
                                                   status.error().message()));
        }
        if (std::exchange(self->hints_again_, false) && !self->stopped_) {
          self->save_hints(std::exchange(self->hints_waiting_, {}));
        }
        if (done) done();
      });
}

HintedShards::Name Core::name_of(const Pendings::value_type& pending, unsigned index) const {
  return {pending.first, pending.second.reference.epoch, index};
}

// Its shards that are neither in their store nor on the disk.
std::vector<unsigned> Core::unhinted(const Pendings::value_type& pending) const {
  std::vector<unsigned> indices;
  for (unsigned i = 0; i < geometry_.total(); ++i) {
    const bool stored = ((pending.second.stored >> i) & 1U) != 0;
    if (!stored && !(parts_.hinted && parts_.hinted->has(name_of(pending, i))))
      indices.push_back(i);
  }
  return indices;
}

// Half of the memory is for what is not committed. Of what is, the oldest leave it: the shards that
// are still missing go to the disk. Where that has no room they are only remembered, and re-made
// from k others when their store is back.
void Core::keep_to_the_budget() {
  std::uint64_t held = committed_bytes_;
  std::uint64_t batch_bytes = 0;
  std::vector<HintedShards::Given> batch;
  for (auto next = pending_.begin(); next != pending_.end() && next->second.committed;) {
    auto pending = next++;
    if (held <= parts_.buffered_bytes_max / 2) break;
    if (pending->second.item->in_flight > 0) continue;  // a store still reads it
    const std::vector<unsigned> to_hint = unhinted(*pending);
    const std::uint64_t shard_bytes = pending->second.item->set.shard_bytes();
    if (!to_hint.empty() && parts_.hinted && parts_.hinted->takes(shard_bytes)) {
      // The rest follows when these are durable.
      if (!parts_.hinted->writable() || batch_bytes >= kHintBatchBytes) break;
      for (unsigned index : to_hint) batch.push_back({pending->second.item, index});
      batch_bytes += shard_bytes * to_hint.size();
      held -= pending->second.bytes;
      continue;
    }
    // A batch under way has perhaps taken the last room for just these.
    if (!to_hint.empty() && parts_.hinted && parts_.hinted->busy()) break;
    if (!to_hint.empty() && parts_.hinted && !std::exchange(hints_full_told_, true)) {
      parts_.logger->warning(
          fmt::format("event=hinted_shards_full vdisk={} bytes={} action=\"what else is missing is "
                      "made anew from {} other stores\"",
                      metadata_.format.name, parts_.hinted->bytes(), geometry_.data));
    }
    held -= pending->second.bytes;
    leave_memory(pending);
  }
  if (!batch.empty()) hint(std::move(batch));
}

void Core::leave_memory(Pendings::iterator pending) {
  for (unsigned i = 0; i < geometry_.total(); ++i) {
    if (((pending->second.stored >> i) & 1U) != 0) continue;
    const std::size_t store = walk::store_of(pending->first, i, parts_.stores.size());
    lanes_->forget(store, pending->first);
    repair_->add_missing(store, pending->first);
    --missing_;
  }
  forget_memory(pending);
}

void Core::hint(std::vector<HintedShards::Given> shards) {
  parts_.hinted->keep(shards, [weak = weak_from_this(), shards](Status status) {
    if (auto self = weak.lock(); self && !self->stopped_) self->hinted(shards, status);
  });
}

void Core::hinted(const std::vector<HintedShards::Given>& shards, const Status& status) {
  if (!status) {
    parts_.logger->error(fmt::format(
        "event=hinted_shards_failed vdisk={} action=\"what is missing is made anew from "
        "{} other stores\" reason=\"{}\"",
        metadata_.format.name, geometry_.data, status.error().message()));
  }
  for (const HintedShards::Given& given : shards) {
    // Its store may have come back meanwhile.
    auto pending = pending_.find(given.item->set.identity().number);
    if (pending != pending_.end() && ((pending->second.stored >> given.index) & 1U) == 0) continue;
    const shard::Identity& identity = given.item->set.identity();
    parts_.hinted->forget({identity.number, identity.epoch, given.index});
  }
  hints_give_back();
  keep_to_the_budget();
  refresh_status();
  try_to_finish_closing(false);
}

// Before the memory goes: false while bytes are still on their way to the disk.
bool Core::all_is_hinted() {
  if (!parts_.hinted) return true;
  if (parts_.hinted->busy()) return false;
  if (!parts_.hinted->writable()) return true;
  std::vector<HintedShards::Given> batch;
  std::uint64_t batch_bytes = 0;
  for (const auto& pending : pending_) {
    if (!pending.second.committed || batch_bytes >= kHintBatchBytes) break;
    const std::uint64_t shard_bytes = pending.second.item->set.shard_bytes();
    if (!parts_.hinted->takes(shard_bytes)) break;
    for (unsigned index : unhinted(pending)) {
      batch.push_back({pending.second.item, index});
      batch_bytes += shard_bytes;
    }
  }
  if (batch.empty()) return true;
  hint(std::move(batch));
  return false;
}

// Met by who read the log. What is in memory is owed to its stores already.
void Core::mend(AggregationNumber number, const std::vector<walk::BadShard>& shards) {
  if (stopped_ || closing_ || number > committed_ || pending_.contains(number)) return;
  for (const walk::BadShard& shard : shards) {
    if (repair_->lacks(shard.store, number)) continue;
    parts_.logger->warning(
        fmt::format("event=shard_bad vdisk={} number={} store=\"{}\" found={} action=\"made anew\"",
                    metadata_.format.name, number, parts_.stores[shard.store]->name(),
                    shard.wrong ? "wrong" : "missing"));
    if (shard.wrong) {
      repair_->add_wrong(shard.store, number);
    } else {
      repair_->add_missing(shard.store, number);
    }
  }
  repair_->go_on();
  refresh_status();
  hints_changed();
}

void Core::hints_give_back() {
  if (parts_.hinted) parts_.hinted->give_back(run());
}

}  // namespace tlog::flush
