#include "player/striped_log.h"

#include <fmt/format.h>

#include <algorithm>

#include "player/unit_reader.h"
#include "tlog/format/stripes.h"

namespace tlog::player {
namespace {

class Striped final : public StripedLog {
 public:
  Striped(std::string vdisk, std::vector<StripePart> parts, const format::StripeMap& map)
      : vdisk_(std::move(vdisk)), parts_(std::move(parts)), map_(map) {}

  Status load();

  const format::Metadata& metadata() const override { return metadata_; }
  const walk::LogHead& head() const override { return head_; }
  const Error* damage() const override { return damage_ ? &*damage_ : nullptr; }
  const std::vector<StripeEnd>& ends() const override { return ends_; }
  std::string uneven() const override;
  Status refresh_head() override;
  void advance_head(const format::AggregationReference&) override {}  // no writer tells it
  Status walk(const walk::WalkOptions& options, const walk::Visitor& visitor) override;
  Result<AggregationNumber> find_sequence(Sequence sequence) override;
  Result<AggregationNumber> find_time(TimestampNs time) override;

 private:
  void find_ends();
  Status find_head();
  Result<TimestampNs> time_of(Sequence sequence);
  Result<Sequence> whole_before(StripePart& part, TimestampNs time);
  AggregationNumber unit_of(Sequence sequence) const override {
    return (sequence - 1) / map_.end_of_unit(1) + 1;
  }

  const std::string vdisk_;
  std::vector<StripePart> parts_;
  const format::StripeMap map_;
  format::Metadata metadata_;
  walk::LogHead head_;
  std::vector<StripeEnd> ends_;
  std::optional<Error> damage_;
};

Status Striped::refresh_head() {
  for (StripePart& part : parts_) {
    if (part.reader == nullptr) continue;
    if (auto refreshed = part.reader->refresh_head(); !refreshed)
      return fail(refreshed.error().within(part.name));
  }
  return load();
}

void Striped::find_ends() {
  ends_.clear();
  for (unsigned i = 0; i < parts_.size(); ++i) {
    StripeEnd end{.name = parts_[i].name};
    if (parts_[i].reader != nullptr) {
      const walk::LogHead& head = parts_[i].reader->head();
      end.has_log = true;
      end.aggregations = head.number;
      end.epoch = head.epoch;
      end.records = head.sequence;
      end.last = head.sequence == 0 ? 0 : map_.global_of(i, head.sequence);
    }
    ends_.push_back(std::move(end));
  }
}

Status Striped::load() {
  find_ends();
  const auto present = std::find_if(parts_.begin(), parts_.end(),
                                    [](const StripePart& part) { return part.reader != nullptr; });
  const format::Metadata& one = present->reader->metadata();
  metadata_ = {};
  metadata_.format = one.format;
  metadata_.format.name = vdisk_;
  metadata_.format.vdisk = format::without_stripe(one.format.vdisk);
  metadata_.key_id = one.key_id;
  return find_head();
}

Status Striped::find_head() {
  std::vector<Sequence> locals;
  for (const StripeEnd& end : ends_) locals.push_back(end.records);
  head_ = {};
  damage_.reset();
  head_.sequence = map_.prefix_of(locals);
  // Who has not the next one, because of damage: or because nobody has written it.
  const StripePart& next = parts_[map_.stripe_of(head_.sequence + 1)];
  const Error* why = next.reader == nullptr ? &*next.missing : next.reader->damage();
  if (why != nullptr) {
    damage_ =
        Error(Code::kCorruption, fmt::format("read log: vdisk '{}': sequence {}: {}: {}", vdisk_,
                                             head_.sequence + 1, next.name, why->message()));
    if (head_.sequence == 0) return fail(*damage_);
  }
  if (head_.sequence == 0) return {};
  head_.number = head_.committed = unit_of(head_.sequence);
  for (const StripeEnd& end : ends_) head_.epoch = std::max(head_.epoch, end.epoch);
  TLOG_ASSIGN(head_.timestamp, time_of(head_.sequence));
  return {};
}

// Of a record that is there.
Result<TimestampNs> Striped::time_of(Sequence sequence) {
  StripePart& part = parts_[map_.stripe_of(sequence)];
  const Sequence local = map_.local_of(sequence);
  const walk::LogHead& head = part.reader->head();
  if (head.sequence == local) return head.timestamp;
  walk::WalkOptions one;
  one.read_ahead = 1;
  TimestampNs time = 0;
  auto found = part.reader->find_sequence(local);
  if (!found) return fail(found.error().within(part.name));
  one.first = one.last = *found;
  auto walked = part.reader->walk(one, [&](walk::Visited& visited) -> Result<bool> {
    const format::Aggregation& aggregation = visited.opened.aggregation;
    time = aggregation.records[local - aggregation.header.first_sequence].timestamp;
    return false;
  });
  if (walked) return time;
  // Whoever reads it will meet the damage; until then it is not older than this.
  if (walked.error().code() == Code::kCorruption) return head.timestamp;
  return fail(walked.error().within(part.name));
}

std::string Striped::uneven() const {
  std::string ahead;
  for (const StripeEnd& end : ends_) {
    if (end.last <= head_.sequence) continue;
    ahead += fmt::format("{}{} up to {}", ahead.empty() ? "" : ", ", end.name, end.last);
  }
  if (ahead.empty()) return "";
  const StripeEnd& behind = ends_[map_.stripe_of(head_.sequence + 1)];
  return fmt::format(
      "all of the log is there up to sequence {}, {} has no more; behind that there "
      "is only what others have ({}), which cannot be used without it",
      head_.sequence, behind.name, ahead);
}

Status Striped::walk(const walk::WalkOptions& options, const walk::Visitor& visitor) {
  const AggregationNumber first = std::max<AggregationNumber>(1, options.first);
  const AggregationNumber last = std::min(options.last, head_.number);
  if (first <= last) {
    UnitReader units({.parts = &parts_,
                      .map = map_,
                      .log = metadata_.format.vdisk,
                      .end = head_.sequence,
                      .read_ahead = options.read_ahead},
                     first, last);
    for (AggregationNumber number = first; number <= last; ++number) {
      // A unit of which only the first records can be read is visited too.
      TLOG_ASSIGN(UnitReader::Unit unit, units.next());
      if (unit.visited) {
        TLOG_ASSIGN(bool go_on, visitor(*unit.visited));
        if (!go_on) return {};
      }
      if (unit.error) return fail(*unit.error);
    }
  }
  if (damage_ && options.last > head_.number) return fail(*damage_);
  return {};
}

Result<AggregationNumber> Striped::find_sequence(Sequence sequence) {
  if (sequence != 0 && sequence <= head_.sequence) return unit_of(sequence);
  return fail(Code::kNotFound,
              fmt::format("find sequence: vdisk '{}': {} is not in the log, which has the "
                          "sequences 1-{}",
                          vdisk_, sequence, head_.sequence));
}

// How many of a stripe's records are certainly not later than the time.
Result<Sequence> Striped::whole_before(StripePart& part, TimestampNs time) {
  if (part.reader == nullptr || part.reader->head().number == 0) return Sequence{0};
  auto number = part.reader->find_time(time);
  if (!number && number.error().code() == Code::kNotFound) return Sequence{0};
  if (!number) return fail(number.error().within(part.name));
  walk::WalkOptions one;
  one.first = one.last = *number;
  one.read_ahead = 1;
  Sequence last = 0;
  auto walked = part.reader->walk(one, [&](walk::Visited& visited) -> Result<bool> {
    last = visited.opened.aggregation.header.last_sequence;
    return false;
  });
  if (!walked) return fail(walked.error().within(part.name));
  return last;
}

Result<AggregationNumber> Striped::find_time(TimestampNs time) {
  std::vector<Sequence> locals;
  for (StripePart& part : parts_) {
    TLOG_ASSIGN(Sequence whole, whole_before(part, time));
    locals.push_back(whole);
  }
  const Sequence prefix = std::min(map_.prefix_of(locals), head_.sequence);
  const AggregationNumber whole_units = prefix / map_.end_of_unit(1);
  if (whole_units != 0) return whole_units;
  return fail(Code::kNotFound,
              fmt::format("find time: vdisk '{}': no unit ends at or before this time", vdisk_));
}

// They are what their places in the configuration say, and of one log.
Result<format::StripeMap> check_parts(const std::string& vdisk,
                                      const std::vector<StripePart>& parts) {
  const format::VdiskFormat* first = nullptr;
  std::optional<format::StripeId> known;
  for (unsigned i = 0; i < parts.size(); ++i) {
    if (parts[i].reader == nullptr) continue;
    const format::VdiskFormat& found = parts[i].reader->metadata().format;
    const auto refuse = [&](const std::string& what) {
      return fail(Code::kInvalidArgument,
                  fmt::format("open log: vdisk '{}': {}: {}; tlog.stripeClusters names the cluster "
                              "of each stripe, in the order of the servers",
                              vdisk, parts[i].name, what));
    };
    const auto stripe = format::stripe_of(found.vdisk);
    if (!stripe) return refuse("the log there is not a stripe, but of vdisk " + found.vdisk.text());
    if (stripe->index != i || stripe->count != parts.size())
      return refuse("the log there is " + format::describe(*stripe));
    if (first == nullptr) {
      first = &found;
      known = stripe;
    }
    if (format::without_stripe(found.vdisk) != format::without_stripe(first->vdisk) ||
        found.size != first->size || found.block_size != first->block_size ||
        stripe->unit != known->unit) {
      return refuse(fmt::format("the log there is of another vdisk, {} beside {}",
                                found.vdisk.text(), first->vdisk.text()));
    }
  }
  if (first != nullptr) return format::StripeMap(known->count, known->unit);
  return fail(parts.front().missing->within(parts.front().name));
}

}  // namespace

Result<std::unique_ptr<StripedLog>> StripedLog::open(const std::string& vdisk,
                                                     std::vector<StripePart> parts) {
  TLOG_ASSIGN(const format::StripeMap map, check_parts(vdisk, parts));
  auto log = std::make_unique<Striped>(vdisk, std::move(parts), map);
  TLOG_TRY(log->load());
  return std::unique_ptr<StripedLog>(std::move(log));
}

}  // namespace tlog::player
