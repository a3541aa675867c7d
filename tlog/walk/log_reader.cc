// File: tlog/walk/log_reader.cc
#include "tlog/walk/log_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "tlog/base/assert.h"
#include "tlog/base/limits.h"
#include "tlog/walk/chain.h"
#include "tlog/walk/gather.h"
#include "tlog/walk/head.h"
#include "tlog/walk/index_page.h"
#include "tlog/walk/metadata_survey.h"
#include "tlog/walk/read_ahead.h"

namespace tlog::walk {
namespace {

constexpr std::size_t kReferencesKept = 5;   // in metadata.last
constexpr std::size_t kPagesCachedMax = 64;  // about 2 MiB

class Reader final : public LogReader {
 public:
  explicit Reader(Parts parts) : parts_(std::move(parts)) {}

  Status load();
  Status not_stopping() const;

  const format::Metadata& metadata() const override { return metadata_; }
  const LogHead& head() const override { return head_; }
  const Error* damage() const override { return damage_ ? &*damage_ : nullptr; }
  Status refresh_head() override { return load(); }
  void advance_head(const format::AggregationReference& newest) override {
    if (newest.number <= head_.number) return;
    head_ = {.number = newest.number,
             .epoch = newest.epoch,
             .sequence = newest.last_sequence,
             .hash = newest.hash,
             .timestamp = newest.last_timestamp,
             .committed = newest.number};
    damage_.reset();
  }
  Status walk(const WalkOptions& options, const Visitor& visitor) override;
  Result<AggregationNumber> find_sequence(Sequence sequence) override;
  Result<AggregationNumber> find_time(TimestampNs time) override;

 private:
  Status check_metadata(const MetadataSurvey& survey) const;
  Status find_head(const std::vector<bool>& lacking);
  void set_head(const seal::Opened* opened);
  Found read_one(AggregationNumber number) const;
  void tell_bad(AggregationNumber number, const Found& found) const;
  Status end_of_walk(const WalkOptions& options) const;
  Result<Chain> chain_before(AggregationNumber first) const;
  Result<format::AggregationReference> reference(AggregationNumber number);
  const format::IndexPage* page(std::uint64_t page);
  Error at(AggregationNumber number, const Chain& chain, const Error& error) const;
  // The first number in [1, head] of which `holds` is true, which it must be of all behind it;
  // head+1 when of none. `begins_before`: what holds begins before what is looked for, so that it
  // is in none of those before it.
  using Holds = std::function<bool(const format::AggregationReference&)>;
  Result<AggregationNumber> first_that(const Holds& holds, const Holds& begins_before);
  Result<std::optional<format::AggregationReference>> nearest_readable(AggregationNumber number,
                                                                       AggregationNumber low,
                                                                       AggregationNumber high,
                                                                       bool down);

  const Parts parts_;
  std::shared_ptr<const LogPlace> place_;
  format::Metadata metadata_;
  LogHead head_;
  std::optional<Error> damage_;
  std::optional<Chain> walked_;  // of the last walk, whose end the next one may go on from
  std::map<std::uint64_t, std::optional<format::IndexPage>> pages_;  // nullopt: could not be read
};

Status Reader::check_metadata(const MetadataSurvey& survey) const {
  const format::VdiskFormat& format = survey.metadata.format;
  TLOG_TRY(check_key(survey.metadata, *parts_.sealer));
  TLOG_TRY(shard::check(geometry_of(format)));
  if (parts_.stores.size() < geometry_of(format).total()) {
    return fail(Code::kInvalidArgument,
                fmt::format("open log: vdisk '{}': {}+{} shards need {} stores, the cluster has {}",
                            parts_.vdisk, format.data_shards, format.parity_shards,
                            geometry_of(format).total(), parts_.stores.size()));
  }
  return {};
}

Status Reader::not_stopping() const {
  if (!parts_.stopping || !parts_.stopping()) return {};
  return fail(Code::kShutdown,
              fmt::format("read log: vdisk '{}': given up: whoever reads it is closing; read it "
                          "again",
                          parts_.vdisk));
}

Status Reader::load() {
  TLOG_TRY(not_stopping());
  TLOG_ASSIGN(MetadataSurvey survey, survey_metadata(parts_.vdisk, parts_.stores));
  for (const std::string& warning : survey.warnings) {
    parts_.logger->warning(
        fmt::format("event=log_metadata vdisk={} reason=\"{}\"", parts_.vdisk, warning));
  }
  TLOG_TRY(check_metadata(survey));
  if (!place_ || place_->uuid != survey.metadata.format.vdisk) {
    auto place = std::make_shared<LogPlace>(survey.metadata.format, parts_.stores);
    place->a_writer_may_fill = parts_.not_fenced.empty();
    place_ = std::move(place);
    head_ = {};
  }
  // A store that has just been waited for in vain is not to be waited for once more.
  for (std::size_t i = 0; i < survey.silent.size(); ++i) place_->poor[i].store(survey.silent[i]);
  metadata_ = std::move(survey.metadata);
  pages_.clear();
  walked_.reset();
  if (!parts_.beside_writer) expect_servers(metadata_, parts_.stores);
  return find_head(survey.lacking);
}

void Reader::set_head(const seal::Opened* opened) {
  head_ = {};
  if (opened == nullptr) {
    metadata_.last.clear();
    return;
  }
  const format::AggregationReference newest = reference_of(*opened);
  head_ = {.number = newest.number,
           .epoch = newest.epoch,
           .sequence = newest.last_sequence,
           .hash = newest.hash,
           .timestamp = newest.last_timestamp};
  // The hint is brought up to date, for whoever writes this metadata next.
  std::erase_if(metadata_.last, [&](const auto& known) { return known.number >= newest.number; });
  metadata_.last.push_back(newest);
  if (metadata_.last.size() > kReferencesKept) metadata_.last.erase(metadata_.last.begin());
}

Status Reader::find_head(const std::vector<bool>& lacking) {
  damage_.reset();
  AggregationNumber proven = metadata_.last.empty() ? 0 : metadata_.last.back().number;
  if (metadata_.epochs.empty()) {
    set_head(nullptr);
    return {};
  }
  // Whoever claimed the newest epoch had brought everything before its first number to a quorum.
  proven = std::max(proven, metadata_.epochs.back().first_number - 1);
  const AggregationNumber after = std::max(head_.number, proven);
  const Doubts doubts{.forgetful = lacking, .not_fenced = parts_.not_fenced};
  const ProbeOptions probe{.after = after, .doubts = doubts, .accept_loss = parts_.accept_loss};
  TLOG_TRY(not_stopping());
  TLOG_ASSIGN(AggregationNumber number, probe_head(*place_, metadata_, probe, *parts_.logger));
  for (unsigned attempt = 0; number > 0; ++attempt, --number) {
    TLOG_TRY(not_stopping());
    Found found = read_one(number);
    Chain chain(metadata_);
    Status good = found.visited ? chain.append(found.visited->opened)
                                : Status(fail(std::move(found.visited).error()));
    if (good) {
      set_head(&found.visited->opened);
      head_.committed = std::min(proven, head_.number);
      return {};
    }
    const bool committed =
        number <= after || may_be_committed(*place_, metadata_, doubts, number, found.counts);
    if (committed && (good.error().code() != Code::kCorruption || attempt + 1 >= kReferencesKept)) {
      return fail(at(number, Chain(metadata_), good.error()));
    }
    if (committed) damage_ = at(number, Chain(metadata_), good.error());
    parts_.logger->error(
        fmt::format("event=log_head_unreadable vdisk={} number={} committed={} reason=\"{}\" "
                    "action=\"the log is taken to end "
                    "before it\"",
                    parts_.vdisk, number, committed, good.error().message()));
  }
  set_head(nullptr);
  return {};
}

Found Reader::read_one(AggregationNumber number) const {
  ReadAhead ahead(place_, *parts_.sealer, *parts_.workers);
  ahead.start(epoch_of(metadata_, number), number);
  Found found = ahead.next();
  tell_bad(number, found);
  return found;
}

void Reader::tell_bad(AggregationNumber number, const Found& found) const {
  if (parts_.found_bad && found.visited && !found.counts.bad.empty()) {
    parts_.found_bad(number, found.counts.bad);
  }
}

// The error with the exact position: what comes after the last good aggregation.
Error Reader::at(AggregationNumber number, const Chain& chain, const Error& error) const {
  std::string sequence =
      chain.last() ? fmt::format(", sequence {}", chain.last()->last_sequence + 1) : std::string();
  return Error(error.code(),
               fmt::format("read log: vdisk '{}': aggregation {} (epoch {}{}): {}", parts_.vdisk,
                           number, epoch_of(metadata_, number), sequence, error.message()));
}

// A walk that begins in the middle checks the first link too. When the aggregation before cannot be
// read, the caller who chose to begin behind it knows that, or will.
Result<Chain> Reader::chain_before(AggregationNumber first) const {
  Chain chain(metadata_);
  if (first <= 1) return chain;
  if (walked_ && walked_->last() && walked_->last()->number + 1 == first) return *walked_;
  Found before = read_one(first - 1);
  Status good = before.visited ? chain.append(before.visited->opened)
                               : Status(fail(std::move(before.visited).error()));
  if (good) return chain;
  if (good.error().code() != Code::kCorruption) return fail(at(first - 1, chain, good.error()));
  parts_.logger->warning(fmt::format("event=log_walk_unanchored vdisk={} first={} reason=\"{}\"",
                                     parts_.vdisk, first, good.error().message()));
  return Chain(metadata_);
}

Status Reader::walk(const WalkOptions& options, const Visitor& visitor) {
  const AggregationNumber first = std::max<AggregationNumber>(1, options.first);
  const AggregationNumber last = std::min(options.last, head_.number);
  if (first > last) return end_of_walk(options);
  TLOG_TRY(not_stopping());
  TLOG_ASSIGN(Chain chain, chain_before(first));
  ReadAhead ahead(place_, *parts_.sealer, *parts_.workers);
  AggregationNumber started = first;
  auto refill = [&] {
    while (started <= last && ahead.size() < std::max(1U, options.read_ahead)) {
      ahead.start(epoch_of(metadata_, started), started);
      ++started;
    }
  };
  refill();
  for (AggregationNumber number = first; number <= last; ++number) {
    TLOG_TRY(not_stopping());
    Found found = ahead.next();
    refill();
    if (!found.visited) return fail(at(number, chain, found.visited.error()));
    tell_bad(number, found);
    if (found.visited->shards_bad > 0) {
      parts_.logger->warning(
          fmt::format("event=log_shards_bad vdisk={} number={} bad={} reason=\"{}\"", parts_.vdisk,
                      number, found.visited->shards_bad, found.counts.why));
    }
    if (Status good = chain.append(found.visited->opened); !good) {
      return fail(at(number, chain, good.error()));
    }
    walked_.emplace(chain);
    TLOG_ASSIGN(bool go_on, visitor(*found.visited));
    if (!go_on) return {};
  }
  return end_of_walk(options);
}

Status Reader::end_of_walk(const WalkOptions& options) const {
  if (damage_ && options.last > head_.number) return fail(*damage_);
  return {};
}

const format::IndexPage* Reader::page(std::uint64_t page) {
  if (page >= metadata_.index_pages) return nullptr;
  if (auto cached = pages_.find(page); cached != pages_.end()) {
    return cached->second ? &*cached->second : nullptr;
  }
  if (pages_.size() >= kPagesCachedMax) pages_.clear();
  std::string why;
  for (std::size_t i = 0; i < parts_.stores.size(); ++i) {
    store::Store& store = *parts_.stores[(page + i) % parts_.stores.size()];
    Gather<Buffer> gather(1);
    store.get(format::index_page_key(parts_.vdisk, page), gather.slot(0));
    auto answers = gather.wait();
    Result<Buffer> stored = answers[0] ? std::move(*answers[0])
                                       : Result<Buffer>(fail(Code::kTimeout, "no answer in time"));
    Result<format::IndexPage> opened =
        stored ? open_page(*parts_.sealer, place_->uuid, page, stored->span())
               : Result<format::IndexPage>(fail(std::move(stored).error()));
    if (opened) return &*(pages_[page] = std::move(*opened));
    why += fmt::format("{}{}: {}", why.empty() ? "" : "; ", store.name(), opened.error().message());
  }
  parts_.logger->warning(
      fmt::format("event=index_page_unreadable vdisk={} page={} action=\"reading the log instead\" "
                  "reason=\"{}\"",
                  parts_.vdisk, page, why));
  pages_[page] = std::nullopt;
  return nullptr;
}

Result<format::AggregationReference> Reader::reference(AggregationNumber number) {
  for (const format::AggregationReference& known : metadata_.last) {
    if (known.number == number) return known;
  }
  TLOG_TRY(not_stopping());
  if (const format::IndexPage* index = page(page_of(number))) {
    const format::AggregationReference& entry = index->entries[number - page_first(index->page)];
    // A page may list what a later epoch has written anew.
    if (entry.epoch == epoch_of(metadata_, number)) return entry;
  }
  Found found = read_one(number);
  if (!found.visited) return fail(at(number, Chain(metadata_), found.visited.error()));
  return reference_of(found.visited->opened);
}

// The nearest to `number` in [low, high) that can be read, towards `low` or towards `high`; nothing
// when there is none.
Result<std::optional<format::AggregationReference>> Reader::nearest_readable(
    AggregationNumber number, AggregationNumber low, AggregationNumber high, bool down) {
  while (low <= number && number < high) {
    auto known = reference(number);
    if (known) return std::optional(*known);
    if (known.error().code() != Code::kCorruption) return fail(known.error());
    number += down ? -1 : 1;
  }
  return std::optional<format::AggregationReference>();
}

// What is damaged is stepped around: what lies beside it is found all the same.
Result<AggregationNumber> Reader::first_that(const Holds& holds, const Holds& begins_before) {
  AggregationNumber low = 1;
  AggregationNumber high = head_.number + 1;
  std::optional<format::AggregationReference> at_high;
  while (low < high) {
    const AggregationNumber middle = low + (high - low) / 2;
    TLOG_ASSIGN(auto known, nearest_readable(middle, low, high, /*down=*/true));
    if (known && holds(*known)) {
      high = known->number;
      at_high = *known;
      continue;
    }
    if (known) low = known->number + 1;
    if (known && known->number == middle) continue;
    // All from `low` to `middle` are damaged.
    TLOG_ASSIGN(known, nearest_readable(middle + 1, low, high, /*down=*/false));
    if (known && !holds(*known)) {
      low = known->number + 1;
    } else if (const auto& next = known ? known : at_high; next && begins_before(*next)) {
      return next->number;
    } else {
      return low;  // it is in the damage, or nobody can tell
    }
  }
  return low;
}

Result<AggregationNumber> Reader::find_sequence(Sequence sequence) {
  if (sequence == 0 || sequence > head_.sequence) {
    return fail(Code::kNotFound,
                fmt::format("find sequence: vdisk '{}': {} is not in the log, which has the "
                            "sequences 1-{}",
                            parts_.vdisk, sequence, head_.sequence));
  }
  return first_that([sequence](const auto& known) { return known.last_sequence >= sequence; },
                    [sequence](const auto& known) { return known.first_sequence <= sequence; });
}

Result<AggregationNumber> Reader::find_time(TimestampNs time) {
  TLOG_ASSIGN(AggregationNumber later,
              first_that([time](const auto& known) { return known.last_timestamp > time; },
                         [time](const auto& known) { return known.first_timestamp <= time; }));
  if (later > 1) return later - 1;
  return fail(Code::kNotFound,
              fmt::format("find time: vdisk '{}': no aggregation ends at or before this time",
                          parts_.vdisk));
}

}  // namespace

Status check_key(const format::Metadata& metadata, const seal::Sealer& sealer) {
  const seal::KeyId& ours = sealer.key_id();
  if (std::equal(ours.bytes.begin(), ours.bytes.end(), metadata.key_id.begin(),
                 metadata.key_id.end())) {
    return {};
  }
  return fail(
      Code::kWrongKey,
      fmt::format("open log: vdisk '{}': it is sealed with the key {}, this is the key {}; use the "
                  "key file that the vdisk was created with",
                  metadata.format.name, to_hex(std::as_bytes(std::span(metadata.key_id))),
                  ours.hex()));
}

void expect_servers(const format::Metadata& metadata, std::span<store::Store* const> stores) {
  store::Expectation expectation{.vdisk = metadata.format.vdisk, .servers = {}};
  for (const format::ServerEntry& entry : metadata.servers) {
    expectation.servers.push_back({.server = entry.server,
                                   .since = entry.since,
                                   .address = entry.address,
                                   .rebuilding = entry.rebuilding});
  }
  for (std::size_t i = 0; i < stores.size(); ++i) {
    expectation.index = i;
    if (store::ServerIdentity* identity = stores[i]->identity()) identity->expect(expectation);
  }
}

Result<std::unique_ptr<LogReader>> LogReader::open(Parts parts) {
  TLOG_ASSERT(parts.sealer != nullptr && parts.workers != nullptr);
  if (parts.logger == nullptr) parts.logger = &null_logger();
  auto reader = std::make_unique<Reader>(std::move(parts));
  TLOG_TRY(reader->load());
  return std::unique_ptr<LogReader>(std::move(reader));
}

}  // namespace tlog::walk
