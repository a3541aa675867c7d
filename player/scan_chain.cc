#include "player/scan_chain.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/walk/chain.h"
#include "tlog/walk/log_place.h"
#include "tlog/walk/read_ahead.h"

namespace tlog::player {

namespace {

// What is kept of an aggregation that was opened.
struct Link {
  format::AggregationReference reference;
  std::uint64_t prev_tag = 0;
};

// A late answer of the pile may still look for the next store when the reader has gone.
struct KeptPlace {
  std::vector<std::unique_ptr<store::Store>> stores;
  std::optional<walk::LogPlace> place;
};

std::shared_ptr<const walk::LogPlace> make_place(const FoundStoreParts& parts,
                                                 const FindShard& find) {
  format::VdiskFormat format;
  format.vdisk = parts.uuid;
  format.name = parts.vdisk;
  format.data_shards = static_cast<std::uint8_t>(parts.geometry.data);
  format.parity_shards = static_cast<std::uint8_t>(parts.geometry.parity);
  auto kept = std::make_shared<KeptPlace>();
  kept->stores = make_found_stores(parts, find);
  std::vector<store::Store*> pointers;
  for (auto& store : kept->stores) pointers.push_back(store.get());
  kept->place.emplace(format, std::move(pointers));
  return {kept, &*kept->place};
}

class ChainFinder {
 public:
  explicit ChainFinder(const ScanChainParts& parts) : parts_(parts), index_(*parts.index) {}

  Result<ScanChain> run() {
    TLOG_TRY(find_tip());
    TLOG_TRY(follow_back());
    std::reverse(chain_.chosen.begin(), chain_.chosen.end());
    std::reverse(chain_.epochs.begin(), chain_.epochs.end());
    std::reverse(chain_.gaps.begin(), chain_.gaps.end());
    judge_rest();
    judge_lost();
    TLOG_TRY(end_before_tail());
    return std::move(chain_);
  }

 private:
  // kCorruption and kWrongKey: it is not what it should be. Other errors end the search.
  Result<Link> open(const Candidate& candidate) {
    FindShard find = [this, candidate](const format::ShardKey&, unsigned index) {
      return index_.find(candidate, index);
    };
    walk::ReadAhead ahead(make_place(parts_.found, find), *parts_.sealer, *parts_.workers);
    ahead.start(candidate.epoch, candidate.number);
    walk::Found found = ahead.next();
    if (!found.visited) {
      const Error& error = found.visited.error();
      return fail(error.within(
          fmt::format("aggregation {} (epoch {})", candidate.number, candidate.epoch)));
    }
    Link link;
    link.reference = walk::reference_of(found.visited->opened);
    link.prev_tag = tag_of(found.visited->opened.aggregation.header.prev);
    return link;
  }
  static bool is_unusable(const Error& error) {
    return error.code() == Code::kCorruption || error.code() == Code::kWrongKey;
  }

  // The newest aggregation of the newest epoch that can be opened.
  Status find_tip() {
    std::optional<Error> wrong_key;
    std::optional<Error> first_error;
    const auto& epochs = index_.epochs();
    for (auto epoch = epochs.rbegin(); epoch != epochs.rend(); ++epoch) {
      AggregationNumber number = epoch->second.last_enough;
      for (; number != 0 && number >= epoch->second.first; number = index_.before(number)) {
        for (const Candidate& candidate : usable_at(number)) {
          if (candidate.epoch != epoch->first) continue;
          auto link = open(candidate);
          if (link) {
            now_ = candidate;
            link_ = *link;
            tip_ = chain_.tip = link->reference;
            return {};
          }
          if (!is_unusable(link.error())) return fail(link.error());
          if (!first_error) first_error = link.error();
          if (link.error().code() == Code::kWrongKey) wrong_key = link.error();
        }
        // Another key for one is another key for all of this writer.
        if (wrong_key) break;
      }
    }
    if (wrong_key) return fail(wrong_key->within("recover"));
    if (first_error) return fail(first_error->within("recover: nothing can be opened"));
    return fail(Code::kCorruption, fmt::format("recover: no aggregation has {} intact shards",
                                               index_.geometry().data));
  }

  Status follow_back() {
    for (;;) {
      chain_.chosen.push_back(now_);
      if (now_.number == 1) break;
      TLOG_ASSIGN(std::optional<Candidate> before, predecessor());
      if (!before) {
        TLOG_ASSIGN(before, behind_gap());
      }
      if (!before || before->epoch != now_.epoch) TLOG_TRY(note_epoch());
      if (!before) return {};
      now_ = *before;
      link_ = known_;
      known_.reset();
    }
    return note_epoch();
  }

  // Fills link_ unless the aggregation cannot be opened, which the walk will tell.
  Status open_now() {
    if (link_ || unopened_ == now_.number) return {};
    auto link = open(now_);
    if (!link && !is_unusable(link.error())) return fail(link.error());
    if (link) {
      link_ = *link;
    } else {
      unopened_ = now_.number;
    }
    return {};
  }

  // Enough of their shards are there, and they may come before the present one.
  std::vector<Candidate> usable_at(AggregationNumber number) const {
    std::vector<Candidate> candidates = index_.at(number);
    std::erase_if(candidates, [this](const Candidate& candidate) {
      return !index_.enough(candidate) || (now_.epoch != 0 && candidate.epoch > now_.epoch);
    });
    return candidates;
  }

  Result<std::optional<Candidate>> predecessor() {
    std::vector<Candidate> candidates = usable_at(now_.number - 1);
    if (candidates.empty()) return std::optional<Candidate>();
    bool certain = candidates.size() == 1 && candidates.front().epoch == now_.epoch;
    if (certain) return std::optional<Candidate>(candidates.front());
    TLOG_TRY(open_now());
    if (!link_) return any_of(candidates);
    for (const Candidate& candidate : candidates) {
      if (candidate.tag == link_->prev_tag) return std::optional<Candidate>(candidate);
    }
    return std::optional<Candidate>();
  }

  // Nothing names one of these: the newest that can be opened and was not superseded.
  Result<std::optional<Candidate>> any_of(const std::vector<Candidate>& candidates) {
    for (const Candidate& candidate : candidates) {
      // The present epoch's writer was at work at this number already.
      bool late =
          candidate.epoch < now_.epoch && index_.epochs().at(now_.epoch).first <= candidate.number;
      if (late) continue;
      if (candidates.size() == 1) return std::optional<Candidate>(candidate);
      auto link = open(candidate);
      if (link) {
        known_ = *link;
        return std::optional<Candidate>(candidate);
      }
      if (!is_unusable(link.error())) return fail(link.error());
    }
    return std::optional<Candidate>();
  }

  // What is on the other side of a gap below the present aggregation.
  Result<std::optional<Candidate>> behind_gap() {
    TLOG_TRY(open_now());
    ChainGap gap;
    gap.last = now_.number - 1;
    gap.next_sequence = link_ ? link_->reference.first_sequence : 0;
    // The number right below has nothing that fits.
    AggregationNumber number = index_.before(now_.number - 1);
    std::optional<Candidate> found;
    for (; number != 0 && !found; number = index_.before(number)) {
      TLOG_ASSIGN(found, any_of(usable_at(number)));
    }
    gap.first = found ? found->number + 1 : 1;
    chain_.gaps.push_back(gap);
    return found;
  }

  Status note_epoch() {
    TLOG_TRY(open_now());
    format::EpochEntry entry;
    entry.epoch = now_.epoch;
    entry.first_number = now_.number;
    entry.first_sequence = link_ ? link_->reference.first_sequence : 0;
    entry.started = link_ ? link_->reference.first_timestamp : 0;
    chain_.epochs.push_back(std::move(entry));
    return {};
  }

  // What is not on the chain: superseded, never stored to the end, or a loss at its end.
  void judge_rest() {
    const shard::Geometry geometry = index_.geometry();
    chain_.superseded = index_.aggregations() - chain_.chosen.size();
    const auto& epochs = index_.epochs();
    for (AggregationNumber number = index_.last(); number != 0; number = index_.before(number)) {
      if (number <= tip_.number && epochs.rbegin()->first == tip_.epoch) break;
      for (const Candidate& candidate : index_.at(number)) {
        bool newer = candidate.epoch > tip_.epoch;
        if (candidate.epoch < tip_.epoch || (!newer && number <= tip_.number)) continue;
        bool enough = index_.enough(candidate);
        if (enough && newer) continue;  // none of its epoch is this log's: counted as superseded
        if (!enough && !maybe_stored(candidate)) {
          ++chain_.unfinished;
          continue;
        }
        if (enough) --chain_.superseded;
        chain_.tail = ChainTail{number, candidate.epoch, candidate.shards,
                                enough ? "its shards are there, but it cannot be opened"
                                       : fmt::format("{} of {} needed shards are readable",
                                                     candidate.shards, geometry.data)};
      }
    }
  }
  // Aggregations of which nothing intact is left.
  void judge_lost() {
    for (const auto& [place, count] : parts_.lost) {
      const auto& [number, epoch] = place;
      if (number <= tip_.number || epoch < tip_.epoch) continue;
      auto known = index_.at(number);
      bool judged = std::any_of(known.begin(), known.end(),
                                [epoch = epoch](const Candidate& c) { return c.epoch == epoch; });
      if (judged) continue;
      if (!maybe_stored({number, epoch, 0, 0})) {
        ++chain_.unfinished;
      } else if (!chain_.tail || number < chain_.tail->number) {
        chain_.tail = ChainTail{number, epoch, 0,
                                fmt::format("its {} shards are damaged or unreadable", count)};
      }
    }
  }
  bool maybe_stored(const Candidate& candidate) const {
    unsigned stored = candidate.shards + parts_.found.pile->unseen(index_.geometry());
    auto lost = parts_.lost.find({candidate.number, candidate.epoch});
    if (lost != parts_.lost.end()) stored += lost->second;
    // The metadata would say with which quorum it was written.
    return stored >= walk::least_write_quorum(index_.geometry());
  }

  // A newer epoch that began in the middle of the chain: what comes behind that is not certain.
  Status end_before_tail() {
    if (!chain_.tail || chain_.tail->number > tip_.number || chain_.tail->number == 1) return {};
    const AggregationNumber end = chain_.tail->number;
    auto& chosen = chain_.chosen;
    while (chosen.size() > 1 && chosen.back().number >= end) {
      chosen.pop_back();
      ++chain_.superseded;
    }
    while (chain_.epochs.size() > 1 && chain_.epochs.back().first_number > chosen.back().number) {
      chain_.epochs.pop_back();
    }
    std::erase_if(chain_.gaps,
                  [&](const ChainGap& gap) { return gap.last >= chosen.back().number; });
    TLOG_ASSIGN(Link link, open(chosen.back()));
    chain_.tip = link.reference;
    return {};
  }

  const ScanChainParts parts_;
  const ShardIndex& index_;
  ScanChain chain_;
  format::AggregationReference tip_;
  Candidate now_;
  std::optional<Link> link_;   // of now_, once it was opened
  std::optional<Link> known_;  // of the one before it, when it was opened to be chosen
  AggregationNumber unopened_ = 0;
};

}  // namespace

Result<ScanChain> find_chain(const ScanChainParts& parts) {
  return ChainFinder(parts).run();
}

}  // namespace tlog::player
