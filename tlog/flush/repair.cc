// File: tlog/flush/repair.cc
#include "tlog/flush/repair.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "tlog/flush/remake.h"

namespace tlog::flush {
namespace {

constexpr std::size_t kJobsMax = 8;  // each may hold one aggregation in memory
// Begun in one go: a store that answers at once must not keep the loop from everything else.
constexpr unsigned kBegunMax = 256;

}  // namespace

Repair::Repair(Parts parts)
    : parts_(std::move(parts)),
      missing_(parts_.place->stores.size()),
      doubtful_(parts_.place->stores.size()),
      wrong_(parts_.place->stores.size()),
      cursor_(parts_.place->stores.size(), 0) {}

void Repair::add_missing(std::size_t store, AggregationNumber number) {
  missing_[store].insert(number);
  begin_soon();
}

void Repair::add_missing(std::size_t store, const NumberSet& numbers) {
  for (const auto& [first, last] : numbers.runs()) missing_[store].insert_run(first, last);
  begin_soon();
}

void Repair::add_wrong(std::size_t store, AggregationNumber first, AggregationNumber last) {
  wrong_[store].insert_run(first, last);
  begin_soon();
}

void Repair::add_doubtful(AggregationNumber first, AggregationNumber last) {
  for (NumberSet& numbers : doubtful_) numbers.insert_run(first, last);
  begin_soon();
}

void Repair::add_doubtful(std::size_t store, AggregationNumber first, AggregationNumber last) {
  doubtful_[store].insert_run(first, last);
  begin_soon();
}

// Its store may work already, so that nothing else would bring it to anybody's mind.
void Repair::begin_soon() {
  if (stopped_ || std::exchange(begins_soon_, true)) return;
  parts_.loop->post([self = shared_from_this()] {
    self->begins_soon_ = false;
    self->begin_jobs();
  });
}

std::uint64_t Repair::missing() const {
  std::uint64_t sum = 0;
  for (const NumberSet& numbers : missing_) sum += numbers.count();
  for (const NumberSet& numbers : wrong_) sum += numbers.count();
  return sum;
}

std::uint64_t Repair::doubtful() const {
  std::uint64_t sum = 0;
  for (const NumberSet& numbers : doubtful_) sum += numbers.count();
  return sum;
}

void Repair::collect(std::size_t store, NumberSet& into) const {
  for (const auto& [first, last] : missing_[store].runs()) into.insert_run(first, last);
  for (const auto& [first, last] : doubtful_[store].runs()) into.insert_run(first, last);
}

AggregationNumber Repair::settled(AggregationNumber from) const {
  for (const auto* all : {&missing_, &doubtful_, &wrong_}) {
    for (const NumberSet& numbers : *all) {
      if (auto first = numbers.next(1)) from = std::min(from, *first - 1);
    }
  }
  return from;
}

std::string Repair::key(AggregationNumber number) const {
  return format::shard_key(parts_.place->vdisk, parts_.epoch_of(number), number);
}

void Repair::go_on() {
  if (timer_ != 0) parts_.loop->cancel_timer(timer_);
  timer_ = 0;
  begin_jobs();
}

void Repair::begin_jobs() {
  if (stopped_ || going_ || timer_ != 0) return;
  going_ = true;  // a store that answers at once calls back into here
  unsigned begun = 0;
  for (std::size_t idle = 0; idle < missing_.size() && under_way_.size() < kJobsMax && !stopped_;) {
    if (begun == kBegunMax) {
      begin_soon();
      break;
    }
    turn_ = (turn_ + 1) % missing_.size();
    const bool has_begun = start_one(turn_);
    begun += has_begun ? 1 : 0;
    idle = has_begun ? 0 : idle + 1;
  }
  going_ = false;
}

bool Repair::start_one(std::size_t store) {
  if (!parts_.lanes->may_try(store)) return false;
  const bool overwrite = !wrong_[store].empty();
  const bool known = !missing_[store].empty();
  NumberSet& numbers = overwrite ? wrong_[store] : known ? missing_[store] : doubtful_[store];
  if (numbers.empty()) return false;
  auto next = numbers.next(cursor_[store]);
  if (!next) next = numbers.next(0);
  for (unsigned i = 0; i < parts_.place->geometry.total(); ++i) {
    if (walk::store_of(*next, i, missing_.size()) != store) continue;
    const Job job{.store = store, .number = *next, .index = i, .overwrite = overwrite};
    if (!under_way_.insert(job).second) return false;  // all that is left is on its way
    cursor_[store] = *next + 1;
    if (overwrite) {
      remake(job);
    } else {
      look_up(job);
    }
    return true;
  }
  numbers.erase(*next);  // this store keeps no shard of it
  parts_.changed();
  return true;
}

void Repair::look_up(const Job& job) {
  store_of(job).stat(key(job.number),
                     [self = shared_from_this(), job](Result<std::uint64_t> length) {
                       if (self->stopped_) return;
                       if (length) return self->finish(job, true);
                       const Code code = length.error().code();
                       if (code == Code::kNotFound || code == Code::kCorruption) {
                         if (self->doubtful_[job.store].next(job.number) == job.number) {
                           self->missing_[job.store].insert(job.number);
                           self->doubtful_[job.store].erase(job.number);
                         }
                         return self->remake(job);
                       }
                       self->parts_.lanes->report(job.store, fail(length.error()));
                       self->finish(job, false);
                     });
}

HintedShards::Name Repair::name_of(const Job& job) const {
  return {job.number, parts_.epoch_of(job.number), job.index};
}

bool Repair::put_hinted(const Job& job) {
  const HintedShards::Name name = name_of(job);
  if (!parts_.hinted || !parts_.hinted->has(name)) return false;
  parts_.hinted->read(name, [self = shared_from_this(), job, name](Result<Buffer> stored) {
    if (self->stopped_) return;
    if (stored) {
      auto bytes = std::make_shared<const Buffer>(std::move(*stored));
      return self->put(job, {bytes->span()}, bytes);
    }
    self->parts_.logger->warning(
        fmt::format("event=hinted_shard_lost vdisk={} number={} action=\"made anew from others\" "
                    "reason=\"{}\"",
                    self->parts_.place->vdisk, job.number, stored.error().message()));
    self->parts_.hinted->forget(name);
    self->remake(job);
  });
  return true;
}

void Repair::remake(const Job& job) {
  if (put_hinted(job)) return;
  walk::Fetch::start(
      parts_.read_place, parts_.epoch_of(job.number), job.number, parts_.run,
      [weak = weak_from_this(), place = parts_.place, &loop = *parts_.loop, job](
          Result<walk::Fetched> fetched, const walk::FetchCounts& counts) {
        std::shared_ptr<const shard::ShardSet> set;
        std::string why;
        if (fetched) {
          set = remake_shards(*place, *fetched);
        } else {
          why = fetched.error().message();
        }
        loop.post([weak, job, set, why, bad = counts.bad] {
          auto self = weak.lock();
          if (!self || self->stopped_) return;
          if (set) self->add_bad(job, bad);
          if (set) return self->put(job, set->pieces(job.index), set);
          self->parts_.logger->error(
              fmt::format("event=shard_not_remade vdisk={} number={} store=\"{}\" reason=\"{}\"",
                          self->parts_.place->vdisk, job.number, self->store_of(job).name(), why));
          self->finish(job, false);
        });
      });
}

// What reading for this one has shown of the others.
void Repair::add_bad(const Job& job, const std::vector<walk::BadShard>& shards) {
  for (const walk::BadShard& shard : shards) {
    if (shard.store == job.store) continue;
    if (shard.wrong) {
      add_wrong(shard.store, job.number);
    } else {
      add_missing(shard.store, job.number);
    }
  }
}

void Repair::put(const Job& job, std::vector<ConstByteSpan> pieces,
                 std::shared_ptr<const void> owner) {
  store_of(job).put(key(job.number), std::move(pieces), {.urgent = false, .mending = true},
                    [self = shared_from_this(), job, owner](Status status) {
                      if (self->stopped_) return;
                      self->parts_.lanes->report(job.store, status);
                      self->finish(job, status.has_value());
                    });
}

void Repair::finish(const Job& job, bool stored) {
  under_way_.erase(job);
  if (stored) {
    missing_[job.store].erase(job.number);
    doubtful_[job.store].erase(job.number);
    if (job.overwrite) wrong_[job.store].erase(job.number);
    if (parts_.hinted) parts_.hinted->forget(name_of(job));
    backoff_.reset();
    if (parts_.came_back) parts_.came_back(job.store, job.number, job.overwrite);
    parts_.changed();
  } else {
    rest();
  }
  begin_jobs();
}

// After a failure nothing is begun for a while: what is missing is missing for a reason.
void Repair::rest() {
  if (timer_ != 0) return;
  timer_ = parts_.loop->add_timer(backoff_.next_ns(*parts_.random), [self = shared_from_this()] {
    self->timer_ = 0;
    self->begin_jobs();
  });
}

void Repair::stop() {
  stopped_ = true;
  if (timer_ != 0) parts_.loop->cancel_timer(timer_);
  timer_ = 0;
}

}  // namespace tlog::flush
