#include "tlog/flush/tail.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/base/clock.h"
#include "tlog/flush/remake.h"
#include "tlog/walk/gather.h"

namespace tlog::flush {
namespace {

constexpr AggregationNumber kLookedUpAtOnce = 16;
constexpr std::chrono::milliseconds kPause(50);

struct Shards {
  std::vector<bool> present;
  std::string lacking;  // and why, for people
  std::size_t count() const {
    return static_cast<std::size_t>(std::count(present.begin(), present.end(), true));
  }
};

store::Store& store_for(const TailPlace& tail, AggregationNumber number, unsigned index) {
  return tail.place->store_for(number, index);
}

std::string key_of(const TailPlace& tail, AggregationNumber number) {
  return format::shard_key(tail.place->vdisk, tail.epoch_of(number), number);
}

std::vector<Shards> look_up(const TailPlace& tail, AggregationNumber first,
                            AggregationNumber last) {
  const unsigned total = tail.place->geometry.total();
  walk::Gather<std::uint64_t> gather((last - first + 1) * total);
  for (AggregationNumber number = first; number <= last; ++number) {
    for (unsigned i = 0; i < total; ++i) {
      store_for(tail, number, i)
          .stat(key_of(tail, number), gather.slot((number - first) * total + i));
    }
  }
  auto enough = [&](const auto& answers) {
    for (std::size_t at = 0; at < answers.size(); at += total) {
      const auto from = answers.begin() + static_cast<std::ptrdiff_t>(at);
      const auto good = std::count_if(
          from, from + total, [](const auto& answer) { return answer && answer->has_value(); });
      if (good < static_cast<std::ptrdiff_t>(tail.write_quorum)) return false;
    }
    return true;
  };
  const auto answers = gather.wait(enough, std::chrono::nanoseconds(0));
  std::vector<Shards> found;
  for (AggregationNumber number = first; number <= last; ++number) {
    Shards shards{.present = std::vector<bool>(total), .lacking = {}};
    for (unsigned i = 0; i < total; ++i) {
      const auto& answer = answers[(number - first) * total + i];
      shards.present[i] = answer && answer->has_value();
    }
    found.push_back(std::move(shards));
  }
  return found;
}

Result<std::shared_ptr<const shard::ShardSet>> read_and_remake(const TailPlace& tail,
                                                               AggregationNumber number) {
  using Set = std::shared_ptr<const shard::ShardSet>;
  walk::Gather<Set> gather(1);
  auto fetch = walk::Fetch::start(
      tail.read_place, tail.epoch_of(number), number,
      [](const std::function<void()>& task) { task(); },
      [place = tail.place, slot = gather.slot(0)](Result<walk::Fetched> fetched,
                                                  const walk::FetchCounts&) {
        if (!fetched) return slot(fail(fetched.error()));
        slot(remake_shards(*place, *fetched));
      });
  auto answers = gather.wait();
  fetch->cancel();
  if (!answers[0]) return fail(Code::kTimeout, "its shards do not come in time");
  return std::move(*answers[0]);
}

// Puts what is missing; those that were taken are present afterwards.
void put_missing(const TailPlace& tail, AggregationNumber number,
                 const std::shared_ptr<const shard::ShardSet>& set, Shards& shards) {
  walk::Gather<bool> gather(shards.present.size());
  for (unsigned i = 0; i < shards.present.size(); ++i) {
    auto slot = gather.slot(i);
    if (shards.present[i]) {
      slot(true);
      continue;
    }
    store_for(tail, number, i)
        .put(key_of(tail, number), set->pieces(i), {.urgent = true, .mending = true},
             [set, slot](const Status& status) {
               if (!status) return slot(fail(status.error()));
               slot(true);
             });
  }
  const auto answers = gather.wait();
  shards.lacking.clear();
  for (unsigned i = 0; i < shards.present.size(); ++i) {
    shards.present[i] = answers[i] && answers[i]->has_value();
    if (shards.present[i]) continue;
    shards.lacking += fmt::format("{}{}: {}", shards.lacking.empty() ? "" : "; ",
                                  store_for(tail, number, i).name(),
                                  answers[i] ? answers[i]->error().message() : "no answer in time");
  }
}

// A store may be away for a moment: its connection is made anew, say.
void pause() {
  walk::Gather<bool> nobody(1);
  nobody.wait({}, std::chrono::nanoseconds(0), kPause);
}

Status secure_one(const TailPlace& tail, AggregationNumber number, Shards& shards,
                  std::chrono::steady_clock::time_point deadline) {
  std::shared_ptr<const shard::ShardSet> set;
  std::string why;
  for (;;) {
    if (!set) {
      auto remade = read_and_remake(tail, number);
      if (remade) {
        set = std::move(*remade);
      } else {
        why = remade.error().message();
      }
    }
    if (set) {
      put_missing(tail, number, set, shards);
      if (shards.count() >= tail.write_quorum) return {};
      why = shards.lacking;
    }
    if (steady_now() >= deadline) break;
    pause();
  }
  return fail(Code::kUnavailable,
              fmt::format("aggregation {} at the log's end is on {} stores, {} needed before "
                          "anything is written behind it: {}",
                          number, shards.count(), tail.write_quorum, why));
}

}  // namespace

Status secure_tail(const TailPlace& tail, AggregationNumber first, AggregationNumber last) {
  const auto deadline = steady_now() + std::chrono::nanoseconds(tail.timeout_ns);
  unsigned secured = 0;
  for (AggregationNumber from = std::max<AggregationNumber>(1, first); from <= last;
       from += kLookedUpAtOnce) {
    const AggregationNumber to = std::min(last, from + kLookedUpAtOnce - 1);
    std::vector<Shards> found = look_up(tail, from, to);
    for (AggregationNumber number = from; number <= to; ++number) {
      Shards& shards = found[number - from];
      if (shards.count() >= tail.write_quorum) continue;
      TLOG_TRY(secure_one(tail, number, shards, deadline));
      ++secured;
    }
  }
  if (secured > 0) {
    tail.logger->info(fmt::format("event=log_tail_secured vdisk={} first={} last={} put_again={}",
                                  tail.place->vdisk, first, last, secured));
  }
  return {};
}

}  // namespace tlog::flush
