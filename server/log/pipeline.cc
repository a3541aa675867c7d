#include "server/log/pipeline.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/log/reading.h"

namespace tlog::server {
namespace {

// Of payload, verified in one step: then it counts as received.
constexpr std::uint64_t kVerifyBytes = 1 * kMiB;
// While it is drained: how long until it is looked whether there is still something to wait for.
constexpr std::uint64_t kDrainSliceNs = 50'000'000;

}  // namespace

// Half of the memory is for records. A quarter is the log's, and one aggregation, whose shards are
// half as long again as its data at the most usual k and m, may go beyond that.
Pipeline::Pipeline(Parts parts)
    : parts_(std::move(parts)),
      records_bytes_max_(parts_.memory_bytes_max / 2),
      records_bytes_low_(parts_.memory_bytes_max / 4),
      aggregation_bytes_max_(std::min(kAggregationDataMax, parts_.memory_bytes_max / 12)),
      policy_(parts_.policy),
      verify_strand_(*parts_.workers, [this] { return verify_step(); }),
      seal_strand_(*parts_.workers, [this] { return seal_step(); }) {}

void Pipeline::start(const format::VdiskFormat& format, const seal::Sealer& sealer,
                     flush::LogWriter& log, const walk::LogHead& head) {
  log_ = &log;
  appending_ = std::make_unique<flush::Appending>(
      format, sealer, log,
      flush::Appending::Start{.next_number = head.number + 1, .prev = head.hash});
  stored_.advance(head.sequence);
  io::run_on(*parts_.loop, [&] { received_told_ = stored_told_ = head.sequence; });
  MutexLock lock(mutex_);
  vdisk_size_ = format.size;
  taken_ = received_ = sealed_ = head.sequence;
  last_timestamp_ = head.timestamp;
  position_ = position_of(head);
}

// ---- Taking ----

Status Pipeline::check(const protocol::Batch& batch) const {
  if (failed_) return fail(*failed_);
  if (is_closing_)
    return fail(Code::kShutdown, "take records: the log is closing; send them again");
  if (batch.records.empty()) return fail(Code::kInvalidArgument, "take records: there are none");
  const Sequence first = batch.records.front().sequence;
  if (first > taken_ + 1) {
    return fail(Code::kInvalidArgument,
                fmt::format("take records: sequence {} was expected, {} came; send on from what "
                            "the log has",
                            taken_ + 1, first));
  }
  for (std::size_t i = 0; i < batch.records.size(); ++i) {
    const format::Record& record = batch.records[i];
    if (record.sequence != first + i) {
      return fail(Code::kInvalidArgument,
                  fmt::format("take records: sequence {} was expected in the batch, {} came",
                              first + i, record.sequence));
    }
    if (is_inside(record)) continue;
    return fail(Code::kInvalidArgument,
                fmt::format("take records: sequence {} is of {} bytes at {}, the vdisk has {}: it "
                            "could never be played back",
                            record.sequence, record.size, record.offset, vdisk_size_));
  }
  return {};
}

// Of a log that is no disk's (its size is 0) nothing is known.
bool Pipeline::is_inside(const format::Record& record) const {
  const bool has_range =
      record.operation != Operation::kMark && record.operation != Operation::kFlush;
  if (!has_range || vdisk_size_ == 0) return true;
  return record.offset <= vdisk_size_ && record.size <= vdisk_size_ - record.offset;
}

Status Pipeline::take(protocol::Batch batch) {
  auto held = std::make_unique<Held>();
  held->arrived_ns = parts_.clock->monotonic_ns();
  {
    MutexLock lock(mutex_);
    TLOG_TRY(check(batch));
    const Sequence last = batch.records.back().sequence;
    if (last <= taken_) return {};
    held->next = static_cast<std::size_t>(taken_ + 1 - batch.records.front().sequence);
    // No reader would take an aggregation for the next one whose time goes back.
    const TimestampNs begins = batch.records[held->next].timestamp;
    if (begins < last_timestamp_) {
      return fail(Code::kInvalidArgument,
                  fmt::format("take records: sequence {} is of the time {}, the one before of {}: "
                              "times never go back in a log",
                              taken_ + 1, begins, last_timestamp_));
    }
    held->bytes = batch.bytes.size() + batch.records.size() * sizeof(format::Record);
    held->batch = std::move(batch);
    taken_ = last;
    last_timestamp_ = held->batch.records.back().timestamp;
    held_bytes_ += held->bytes;
    held_.push_back(std::move(held));
    if (held_bytes_ >= records_bytes_max_) full_ = true;
  }
  verify_strand_.schedule();
  return {};
}

// ---- Verifying ----

std::vector<Pipeline::Held*> Pipeline::unverified() const {
  std::vector<Held*> some;
  std::uint64_t bytes = 0;
  MutexLock lock(mutex_);
  if (is_dead_) return some;
  for (std::size_t i = verified_; i < held_.size() && bytes < kVerifyBytes; ++i) {
    some.push_back(held_[i].get());
    bytes += held_[i]->bytes;
  }
  return some;
}

// What is verified stays where it is meanwhile: only what has been received is ever released.
bool Pipeline::verify_step() {
  const std::vector<Held*> some = unverified();
  if (some.empty()) return false;
  Status good;
  std::size_t count = 0;
  for (; count < some.size(); ++count) {
    good =
        protocol::verify_hashes(std::span(some[count]->batch.records).subspan(some[count]->next));
    if (!good) break;
  }
  bool is_due = false;
  {
    MutexLock lock(mutex_);
    for (std::size_t i = 0; i < count; ++i) {
      const std::vector<format::Record>& records = some[i]->batch.records;
      for (std::size_t r = some[i]->next; r < records.size(); ++r) {
        unsealed_bytes_ += records[r].data.size();
      }
      received_ = records.back().sequence;
    }
    verified_ += count;
    if (!good) {
      if (!failed_) failed_ = good.error().within("take records");
      drop_from(verified_);
    }
    is_due = due();
  }
  news();
  if (is_due) seal_strand_.schedule();
  return good.has_value();
}

void Pipeline::drop_from(std::size_t index) {
  for (std::size_t i = index; i < held_.size(); ++i) held_bytes_ -= held_[i]->bytes;
  held_.resize(index);
}

// ---- Sealing ----

bool Pipeline::due() const {
  if (is_dead_ || received_ == sealed_) return false;
  aggregation::Waiting waiting;
  waiting.records = received_ - sealed_;
  // Few large records may fill the memory long before they are flushSize.
  waiting.forced = forced_ > sealed_ || unsealed_bytes_ >= aggregation_bytes_max_ || full_.load();
  const std::uint64_t now = parts_.clock->monotonic_ns();
  const std::uint64_t arrived = held_.front()->arrived_ns;
  waiting.oldest_age_ns = now > arrived ? now - arrived : 0;
  return aggregation::is_due(policy_, waiting);
}

bool Pipeline::gather(Job& job) {
  MutexLock lock(mutex_);
  if (!due() || !log_->may_append()) return false;
  aggregation::Gatherer gatherer;
  bool takes = true;
  for (std::size_t i = 0; i < verified_ && takes; ++i) {
    const std::vector<format::Record>& records = held_[i]->batch.records;
    for (std::size_t r = held_[i]->next; r < records.size() && takes; ++r) {
      const std::size_t length = records[r].data.size();
      takes = gatherer.takes(length) &&
              (job.records.empty() || gatherer.data_bytes() + length <= aggregation_bytes_max_);
      if (!takes) break;
      gatherer.add(length);
      job.records.push_back(records[r]);
    }
  }
  job.urgent = forced_ > sealed_;
  return true;
}

bool Pipeline::seal_step() {
  Job job;
  if (!gather(job)) return false;
  const std::size_t count = job.records.size();
  Status done = appending_->append(
      std::move(job.records), seal::RecordHashes::kKnown, job.urgent,
      [this](const Status& status, const format::AggregationReference& reference) {
        appended(status, reference);
      });
  if (!done) {
    fail_for_good(done.error());
    return false;
  }
  {
    MutexLock lock(mutex_);
    release(count);
  }
  news();  // the timer is for the next record now
  return true;
}

void Pipeline::release(std::size_t records) {
  sealed_ += records;
  while (records > 0) {
    Held& front = *held_.front();
    const std::vector<format::Record>& all = front.batch.records;
    for (; front.next < all.size() && records > 0; ++front.next, --records) {
      unsealed_bytes_ -= all[front.next].data.size();
    }
    if (front.next < all.size()) break;
    held_bytes_ -= front.bytes;
    held_.pop_front();
    --verified_;
  }
  note_room();
}

void Pipeline::note_room() {
  if (!full_.load() || held_bytes_ > records_bytes_low_) return;
  full_ = false;
  has_room_ = true;
}

// On the loop's thread.
void Pipeline::appended(const Status& status, const format::AggregationReference& reference) {
  // At closing: the client has it, and sends it again.
  if (!status && status.error().code() == Code::kShutdown) return;
  if (!status) return fail_for_good(status.error());
  {
    MutexLock lock(mutex_);
    newest_ = reference;
    position_ = position_of(reference);
  }
  stored_.advance(reference.last_sequence);
  seal_strand_.schedule();
  news();
}

void Pipeline::force(Sequence sequence) {
  bool is_due = false;
  bool is_on_its_way = false;
  {
    MutexLock lock(mutex_);
    forced_ = std::max(forced_, std::min(sequence, taken_));
    is_due = due();
    is_on_its_way = stored_.value() < std::min(forced_, sealed_);
  }
  if (is_on_its_way) parts_.hurry();
  if (is_due) seal_strand_.schedule();
}

void Pipeline::settings(const aggregation::Policy& policy) {
  {
    MutexLock lock(mutex_);
    policy_ = policy;
  }
  seal_strand_.schedule();
  parts_.loop->post([this] {
    if (timer_ != 0) parts_.loop->cancel_timer(timer_);
    timer_ = 0;
    arm_timer();
  });
}

// ---- Telling ----

void Pipeline::fenced(const std::string& by) {
  fail_for_good(Error(Code::kFenced,
                      fmt::format("another writer has taken the log over: {}; this one has stored "
                                  "its records up to sequence {}",
                                  by, stored_.value())));
}

void Pipeline::fail_for_good(const Error& error) {
  {
    MutexLock lock(mutex_);
    const bool was_dead = std::exchange(is_dead_, true);
    // What has ended everything is what the client must know, whatever it had done before.
    if (!was_dead || error.code() == Code::kFenced) failed_ = error;
  }
  stored_.poison();
  news();
}

void Pipeline::news() {
  if (news_posted_.exchange(true)) return;
  parts_.loop->post([this] {
    news_posted_ = false;
    tell();
  });
}

// Everything is told from here: what is received before what is stored, and both before the end.
void Pipeline::tell() {
  if (ended_) return;
  Sequence received = 0;
  std::optional<Error> failed;
  bool has_room = false;
  bool is_dead = false;
  {
    MutexLock lock(mutex_);
    is_dead = is_dead_;
    received = received_;
    failed = failed_;
    has_room = std::exchange(has_room_, false);
  }
  const Sequence stored = stored_.value();
  if (received > received_told_ && parts_.on_received) parts_.on_received(received);
  received_told_ = received;
  if (stored > stored_told_ && parts_.on_stored) parts_.on_stored(stored);
  stored_told_ = stored;
  if (has_room && parts_.on_room) parts_.on_room();
  const bool is_news = failed && (!failure_told_ || (is_dead && !death_told_));
  failure_told_ |= failed.has_value();
  death_told_ |= is_dead;
  if (is_news && parts_.on_failed) parts_.on_failed(*failed);
  arm_timer();
}

// For when the oldest record has waited for long enough.
void Pipeline::arm_timer() {
  if (ended_ || timer_ != 0) return;
  std::uint64_t left_ns = 0;
  {
    MutexLock lock(mutex_);
    if (is_dead_ || received_ == sealed_) return;
    const std::uint64_t now = parts_.clock->monotonic_ns();
    const std::uint64_t arrived = held_.front()->arrived_ns;
    const std::uint64_t age = now > arrived ? now - arrived : 0;
    left_ns = policy_.flush_time_ns > age ? policy_.flush_time_ns - age : 0;
  }
  // It is told again when that has been sealed.
  if (left_ns == 0) return seal_strand_.schedule();
  timer_ = parts_.loop->add_timer(left_ns, [this] {
    timer_ = 0;
    arm_timer();
  });
}

// ---- What it says of itself ----

Sequence Pipeline::taken() const {
  MutexLock lock(mutex_);
  return taken_;
}

Sequence Pipeline::received() const {
  MutexLock lock(mutex_);
  return received_;
}

protocol::LogPosition Pipeline::position() const {
  MutexLock lock(mutex_);
  return position_;
}

std::optional<format::AggregationReference> Pipeline::newest() const {
  MutexLock lock(mutex_);
  return newest_;
}

bool Pipeline::is_dead() const {
  MutexLock lock(mutex_);
  return is_dead_;
}

std::uint64_t Pipeline::held_bytes() const {
  MutexLock lock(mutex_);
  return held_bytes_;
}

// ---- The end ----

bool Pipeline::drain(std::uint64_t deadline_ns) {
  Sequence taken = 0;
  {
    MutexLock lock(mutex_);
    is_closing_ = true;
    forced_ = taken = taken_;
  }
  seal_strand_.schedule();
  for (;;) {
    Sequence wanted = 0;
    {
      MutexLock lock(mutex_);
      if (is_dead_) return stored_.value() >= taken;
      wanted = failed_ ? received_ : taken_;  // what was not received never will be
    }
    const std::uint64_t now = parts_.clock->monotonic_ns();
    const std::uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
    const auto outcome = stored_.wait(wanted, std::min(left, kDrainSliceNs));
    if (outcome == Watermark::Outcome::kReached || left == 0) break;
  }
  return stored_.value() >= taken;
}

void Pipeline::stop() {
  {
    MutexLock lock(mutex_);
    is_closing_ = true;
    is_dead_ = true;
  }
  stored_.poison();
  verify_strand_.stop_and_wait();
  seal_strand_.stop_and_wait();
}

void Pipeline::end() {
  io::run_on(*parts_.loop, [this] {
    ended_ = true;
    if (timer_ != 0) parts_.loop->cancel_timer(timer_);
    timer_ = 0;
  });
}

}  // namespace tlog::server
