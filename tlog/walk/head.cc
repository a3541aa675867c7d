// File: tlog/walk/head.cc
#include "tlog/walk/head.h"

#include <fmt/format.h>

#include "tlog/base/use_gate.h"
#include "tlog/walk/chain.h"
#include "tlog/walk/gather.h"

namespace tlog::walk {
namespace {

constexpr unsigned kProbeBatch = 16;  // numbers asked for at once
constexpr unsigned kLooksMax = 16;    // at one number whose shards come and go

struct Presence {
  unsigned present = 0;
  unsigned unknown = 0;
  unsigned emptied = 0;  // of the unknown: they have lost it, if they had it
  unsigned absent = 0;   // on a server, which may have lost it in a restart
  std::string unreachable;
  std::string said;  // a letter for each store, in the order of the shards
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

struct Told {
  bool present = false;
  bool absent = false;
  bool emptied = false;
  std::string why;  // neither
};
using Answers = Gather<Told>::Answers;

// What a store says is judged when it says it: it may be another one a moment later.
Told told_by(const LogPlace& place, std::size_t store, const Result<std::uint64_t>& length) {
  if (length) return {.present = true, .why = {}};
  if (length.error().code() == Code::kNotFound) return {.absent = true, .why = {}};
  return {.emptied = place.answers_as_emptied(store), .why = length.error().message()};
}

Presence count(const LogPlace& place, const Doubts& doubts, AggregationNumber number,
               const Answers& answers, std::size_t from) {
  Presence presence;
  for (unsigned i = 0; i < place.geometry.total(); ++i) {
    const std::size_t store = store_of(number, i, place.stores.size());
    const Told told =
        answers[from + i] ? answers[from + i]->value() : Told{.why = "no answer in time"};
    presence.said += told.present ? 'p' : told.absent ? 'a' : told.emptied ? 'e' : 'u';
    if (told.present) {
      ++presence.present;
      continue;
    }
    if (told.absent) {
      count_absent(place, doubts, store, presence);
      if (!has(doubts.forgetful, store) && !has(doubts.not_fenced, store)) continue;
    } else {
      if (told.emptied) ++presence.emptied;
      ++presence.unknown;
    }
    presence.unreachable += fmt::format(
        "{}{}: {}", presence.unreachable.empty() ? "" : "; ", place.stores[store]->name(),
        !told.absent                   ? told.why
        : has(doubts.forgetful, store) ? "was wiped"
                                       : "was not closed for the writer before");
  }
  return presence;
}

std::vector<Presence> probe_batch(const LogPlace& place, const format::Metadata& metadata,
                                  const Doubts& doubts, AggregationNumber first) {
  const unsigned total = place.geometry.total();
  Gather<Told> gather(kProbeBatch * total);
  // Whoever answers when nobody waits any more may have gone.
  auto waits = std::make_shared<UseGate>();
  for (unsigned j = 0; j < kProbeBatch; ++j) {
    const AggregationNumber number = first + j;
    const std::string key = format::shard_key(place.vdisk, epoch_of(metadata, number), number);
    for (unsigned i = 0; i < total; ++i) {
      place.store_for(number, i).stat(
          key, [waits, &place, store = store_of(number, i, place.stores.size()),
                take = gather.slot(j * total + i)](const Result<std::uint64_t>& length) {
            if (const UseGate::Use use(*waits); use) take(told_by(place, store, length));
          });
    }
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
  waits->close();
  return presences(answers);
}

// Neither is it there, nor was it on a server that has been emptied, as far as is known.
bool is_nowhere(const Presence& presence) {
  return presence.present == 0 && presence.emptied == 0;
}

// The stores do not answer at one moment. Behind the back of who looks a shard may be put again
// where it was asked for already, and another one lost before that is asked for: then fewer are
// seen than there were at any time. What two looks in turn have found was so between them.
class Probing {
 public:
  Probing(const LogPlace& place, const format::Metadata& metadata, const ProbeOptions& options,
          Logger& logger)
      : place_(place), metadata_(metadata), options_(options), logger_(logger) {}

  Result<AggregationNumber> run() {
    number_ = options_.after;
    for (;;) {
      TLOG_ASSIGN(bool ended, take(probe_batch(place_, metadata_, options_.doubts, number_ + 1)));
      if (ended) return number_;
    }
  }

 private:
  Result<bool> take(const std::vector<Presence>& batch) {
    const AggregationNumber first = number_ + 1;
    for (unsigned j = 0; j < batch.size(); ++j) {
      if (is_nowhere(batch[j]) && judge(batch[j], metadata_, first + j) == Verdict::kAbsent) {
        nowhere_ = std::min(nowhere_, first + j);
      }
    }
    for (unsigned j = 0; j < batch.size(); ++j) {
      const Verdict verdict = judge(batch[j], metadata_, first + j);
      // Was put since, so that it was not committed when this began.
      if (number_ + 1 == nowhere_ && verdict != Verdict::kAbsent) return true;
      if (verdict == Verdict::kStored) {
        ++number_;
        continue;
      }
      if (verdict == Verdict::kUndecided) {
        if (place_.a_writer_may_fill) {
          TLOG_ASSIGN(bool sure, has_said_it_twice(batch[j]));
          if (!sure) return false;
        }
        return undecided(batch[j]);
      }
      if (!is_nowhere(batch[j])) {
        TLOG_ASSIGN(bool sure, has_said_it_twice(batch[j]));
        if (!sure) return false;
      }
      warn_of_gap(batch, j);
      return true;
    }
    return false;
  }

  // A reader knows of an emptied server only that it may lack something; a writer settles it.
  std::string_view fills_first() const {
    return place_.a_writer_may_fill
               ? "; where one of the stores was emptied, open the log for writing "
                 "once (its host, or a takeover), which fills it and decides"
               : "";
  }

  Result<bool> undecided(const Presence& presence) const {
    if (options_.accept_loss) {
      logger_.warning(
          fmt::format("event=log_tail_given_up vdisk={} number={} present={} reason=\"{}\"",
                      place_.vdisk, number_ + 1, presence.present, presence.unreachable));
      return true;
    }
    return fail(
        Code::kUnavailable,
        fmt::format("open log: vdisk '{}': whether aggregation {} was stored is undecided: {} "
                    "of {} needed shards answer; bring back: {}{}",
                    place_.vdisk, number_ + 1, presence.present, place_.geometry.data,
                    presence.unreachable, fills_first()));
  }

  Result<bool> has_said_it_twice(const Presence& presence) {
    if (looked_at_ != number_ + 1) looks_ = 0;
    looked_at_ = number_ + 1;
    const bool sure = looks_ > 0 && presence.said == said_;
    said_ = presence.said;
    if (sure || ++looks_ < kLooksMax) return sure;
    return fail(Code::kUnavailable,
                fmt::format("open log: vdisk '{}': whether aggregation {} was stored is undecided: "
                            "its shards come and go while they are counted; try again",
                            place_.vdisk, number_ + 1));
  }

  void warn_of_gap(const std::vector<Presence>& batch, unsigned end) const {
    for (unsigned later = end + 1; later < batch.size(); ++later) {
      const AggregationNumber number = number_ + 1 + later - end;
      if (judge(batch[later], metadata_, number) != Verdict::kStored) continue;
      logger_.warning(
          fmt::format("event=log_tail_gap vdisk={} number={} later={} reason=\"the log ends before "
                      "an aggregation that was never committed\"",
                      place_.vdisk, number_ + 1, number));
      return;
    }
  }

  const LogPlace& place_;
  const format::Metadata& metadata_;
  const ProbeOptions& options_;
  Logger& logger_;
  AggregationNumber number_ = 0;                       // so far
  AggregationNumber nowhere_ = ~AggregationNumber{0};  // the first that a look has found nowhere
  AggregationNumber looked_at_ = 0;
  std::string said_;  // in the last look at it
  unsigned looks_ = 0;
};

}  // namespace

bool may_be_committed(const LogPlace& place, const format::Metadata& metadata, const Doubts& doubts,
                      AggregationNumber number, const FetchCounts& found) {
  Presence presence{.present = found.intact + found.wrong,
                    .emptied = static_cast<unsigned>(found.emptied.size()),
                    .unreachable = {},
                    .said = {}};
  std::vector<bool> absent(place.stores.size());
  for (const BadShard& bad : found.bad) {
    if (!bad.wrong) absent[bad.store] = true;
  }
  for (unsigned i = 0; i < place.geometry.total(); ++i) {
    const std::size_t store = store_of(number, i, place.stores.size());
    if (absent[store]) {
      count_absent(place, doubts, store, presence);
    }
  }
  const unsigned told = found.intact + found.wrong + found.absent;
  presence.unknown += place.geometry.total() - std::min(place.geometry.total(), told);
  return may_have_been_committed(presence, metadata, number);
}

Result<AggregationNumber> probe_head(const LogPlace& place, const format::Metadata& metadata,
                                     const ProbeOptions& options, Logger& logger) {
  return Probing(place, metadata, options, logger).run();
}

}  // namespace tlog::walk
