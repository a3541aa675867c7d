// File: tlog/walk/head.cc
#include "tlog/walk/head.h"

#include <fmt/format.h>

#include "tlog/walk/chain.h"
#include "tlog/walk/gather.h"

namespace tlog::walk {
namespace {

constexpr unsigned kProbeBatch = 16;  // numbers asked for at once

struct Presence {
  unsigned present = 0;
  unsigned unknown = 0;
  unsigned emptied = 0;  // of the unknown: they have lost it, if they had it
  unsigned absent = 0;   // on a server, which may have lost it in a restart
  std::string unreachable;
};

enum class Verdict { kStored, kAbsent, kUndecided };

// Committed means at its epoch's write quorum of stores. What cannot have been there was not
// committed: the next writer, in an epoch of its own, writes this number anew. Some servers may
// have had it and lost it in a restart, but not more than an aggregation can bear right after its
// commit: so there is no doubt when all answer and none is known to be emptied.
bool may_have_been_committed(const Presence& presence, const format::Metadata& metadata,
                             AggregationNumber number) {
  const unsigned quorum = write_quorum_of(metadata, number);
  const unsigned bearable = quorum - std::min<unsigned>(quorum, geometry_of(metadata.format).data);
  const unsigned lost = std::min(presence.absent, bearable - std::min(bearable, presence.emptied));
  return presence.present + presence.unknown + lost >= quorum;
}

Verdict judge(const Presence& presence, const format::Metadata& metadata,
              AggregationNumber number) {
  if (presence.present >= geometry_of(metadata.format).data) return Verdict::kStored;
  return may_have_been_committed(presence, metadata, number) ? Verdict::kUndecided
                                                             : Verdict::kAbsent;
}

bool is_emptied(const store::Store& store) {
  const store::StoreState state = store.status().state;
  return state == store::StoreState::kWiped || state == store::StoreState::kRebuilding;
}

bool has(const std::vector<bool>& flags, std::size_t store) {
  return store < flags.size() && flags[store];
}

// What a store's "absent" says.
void count_absent(const LogPlace& place, const Doubts& doubts, std::size_t store,
                  Presence& presence) {
  if (has(doubts.forgetful, store)) {
    ++presence.emptied;
    ++presence.unknown;
  } else if (has(doubts.not_fenced, store)) {
    ++presence.unknown;
  } else if (place.stores[store]->identity() != nullptr) {
    ++presence.absent;
  }
}

using Answers = Gather<std::uint64_t>::Answers;

Presence count(const LogPlace& place, const Doubts& doubts, AggregationNumber number,
               const Answers& answers, std::size_t from) {
  Presence presence;
  for (unsigned i = 0; i < place.geometry.total(); ++i) {
    const std::size_t store = store_of(number, i, place.stores.size());
    const auto& answer = answers[from + i];
    if (answer && *answer) {
      ++presence.present;
      continue;
    }
    const bool absent = answer && answer->error().code() == Code::kNotFound;
    if (absent) {
      count_absent(place, doubts, store, presence);
      if (!has(doubts.forgetful, store) && !has(doubts.not_fenced, store)) continue;
    } else {
      if (is_emptied(*place.stores[store])) ++presence.emptied;
      ++presence.unknown;
    }
    presence.unreachable += fmt::format(
        "{}{}: {}", presence.unreachable.empty() ? "" : "; ", place.stores[store]->name(),
        !answer                        ? "no answer in time"
        : !absent                      ? answer->error().message()
        : has(doubts.forgetful, store) ? "was wiped"
                                       : "was not closed for the writer before");
  }
  return presence;
}

std::vector<Presence> probe_batch(const LogPlace& place, const format::Metadata& metadata,
                                  const Doubts& doubts, AggregationNumber first) {
  const unsigned total = place.geometry.total();
  Gather<std::uint64_t> gather(kProbeBatch * total);
  for (unsigned j = 0; j < kProbeBatch; ++j) {
    const AggregationNumber number = first + j;
    const std::string key = format::shard_key(place.vdisk, epoch_of(metadata, number), number);
    for (unsigned i = 0; i < total; ++i)
      place.store_for(number, i).stat(key, gather.slot(j * total + i));
  }
  auto presences = [&](const Answers& answers) {
    std::vector<Presence> all;
    for (unsigned j = 0; j < kProbeBatch; ++j) {
      all.push_back(count(place, doubts, first + j, answers, j * total));
    }
    return all;
  };
  Answers answers = gather.wait(
      [&](const Answers& so_far) {
        for (unsigned j = 0; j < kProbeBatch; ++j) {
          Presence presence = count(place, doubts, first + j, so_far, j * total);
          if (judge(presence, metadata, first + j) == Verdict::kUndecided) return false;
        }
        return true;
      },
      std::chrono::nanoseconds(0));
  return presences(answers);
}

}  // namespace

bool may_be_committed(const LogPlace& place, const format::Metadata& metadata, const Doubts& doubts,
                      AggregationNumber number, const FetchCounts& found) {
  Presence presence{.present = found.intact + found.wrong, .unreachable = {}};
  std::vector<bool> absent(place.stores.size());
  for (const BadShard& bad : found.bad) {
    if (!bad.wrong) absent[bad.store] = true;
  }
  for (unsigned i = 0; i < place.geometry.total(); ++i) {
    const std::size_t store = store_of(number, i, place.stores.size());
    if (absent[store]) {
      count_absent(place, doubts, store, presence);
    } else if (is_emptied(*place.stores[store])) {
      ++presence.emptied;
    }
  }
  const unsigned told = found.intact + found.wrong + found.absent;
  presence.unknown += place.geometry.total() - std::min(place.geometry.total(), told);
  return may_have_been_committed(presence, metadata, number);
}

Result<AggregationNumber> probe_head(const LogPlace& place, const format::Metadata& metadata,
                                     const ProbeOptions& options, Logger& logger) {
  AggregationNumber number = options.after;
  for (;;) {
    const AggregationNumber first = number + 1;
    std::vector<Presence> batch = probe_batch(place, metadata, options.doubts, first);
    for (unsigned j = 0; j < batch.size(); ++j) {
      Verdict verdict = judge(batch[j], metadata, first + j);
      if (verdict == Verdict::kStored) {
        ++number;
        continue;
      }
      if (verdict == Verdict::kUndecided && options.accept_loss) {
        logger.warning(
            fmt::format("event=log_tail_given_up vdisk={} number={} present={} reason=\"{}\"",
                        place.vdisk, number + 1, batch[j].present, batch[j].unreachable));
        return number;
      }
      if (verdict == Verdict::kUndecided) {
        return fail(
            Code::kUnavailable,
            fmt::format("open log: vdisk '{}': whether aggregation {} was stored is undecided: {} "
                        "of {} needed shards answer; bring back: {}",
                        place.vdisk, number + 1, batch[j].present, place.geometry.data,
                        batch[j].unreachable));
      }
      for (unsigned later = j + 1; later < batch.size(); ++later) {
        if (judge(batch[later], metadata, first + later) != Verdict::kStored) continue;
        logger.warning(fmt::format(
            "event=log_tail_gap vdisk={} number={} later={} reason=\"the log ends before "
            "an aggregation that was never committed\"",
            place.vdisk, number + 1, number + 1 + later - j));
        break;
      }
      return number;
    }
  }
}

}  // namespace tlog::walk
