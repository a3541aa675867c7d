#include "tlog/store/segment_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/base/assert.h"
#include "tlog/base/clock.h"
#include "tlog/base/crc32c.h"

namespace tlog::store {
namespace {

constexpr std::array<std::byte, kSegmentUnit> kPadding{};

}  // namespace

PendingEntry::PendingEntry(EntryKind kind, std::string key, std::vector<ConstByteSpan> pieces,
                           bool urgent, PutDone done)
    : key_(std::move(key)), pieces_(std::move(pieces)), urgent_(urgent), done_(std::move(done)) {
  std::uint32_t crc = crc32c(bytes_of(std::string_view(key_)));
  std::uint64_t length = 0;
  for (ConstByteSpan piece : pieces_) {
    crc = crc32c(piece, crc);
    length += piece.size();
  }
  TLOG_ASSERT(length <= kStoreValueBytesMax && key_.size() <= kStoreKeyBytesMax);
  location_.value_length = static_cast<std::uint32_t>(length);
  location_.body_crc = crc;
  location_.kind = kind;
}

void PendingEntry::place(EntryHeader header, std::vector<ConstByteSpan>& pieces) {
  location_.offset = header.offset;
  header.value_length = location_.value_length;
  header.key_length = static_cast<std::uint16_t>(key_.size());
  header.kind = location_.kind;
  header.body_crc = location_.body_crc;
  header_ = std::make_unique<std::array<std::byte, kEntryHeaderBytes>>();
  encode_entry_header(header, *header_);
  placed_key_ = std::make_unique<std::string>(key_);
  pieces.push_back(*header_);
  pieces.push_back(bytes_of(std::string_view(*placed_key_)));
  pieces.insert(pieces.end(), pieces_.begin(), pieces_.end());
  std::uint64_t unpadded = kEntryHeaderBytes + key_.size() + location_.value_length;
  pieces.push_back(ConstByteSpan(kPadding).first(bytes() - unpadded));
}

SegmentWriter::SegmentWriter(Parts parts, WriterPosition position)
    : parts_(std::move(parts)),
      active_(std::move(position.active)),
      file_(std::move(position.file)),
      last_block_(std::move(position.last_block)),
      sequence_(position.last_sequence),
      durable_sequence_(position.last_sequence),
      next_number_(position.next_number),
      last_number_(position.last_number),
      last_end_(position.last_end),
      backoff_ns_(parts_.retry_min_ns) {
  if (!active_) return;
  end_ = last_end_;
  allocated_ = end_;
  active_entries_ = active_->entry_count();
}

void SegmentWriter::submit(PendingEntry entry) {
  queued_bytes_ += entry.bytes();
  bool post = false;
  {
    MutexLock lock(incoming_mutex_);
    incoming_.push_back(std::move(entry));
    post = !std::exchange(drain_posted_, true);
  }
  if (post) parts_.loop->post([this] { drain(); });
}

void SegmentWriter::hurry() {
  bool post = false;
  {
    MutexLock lock(incoming_mutex_);
    hurry_incoming_ = true;
    post = !std::exchange(drain_posted_, true);
  }
  if (post) parts_.loop->post([this] { drain(); });
}

void SegmentWriter::drain() {
  std::vector<PendingEntry> arrived;
  bool hurry = false;
  {
    MutexLock lock(incoming_mutex_);
    arrived.swap(incoming_);
    hurry = std::exchange(hurry_incoming_, false);
    drain_posted_ = false;
  }
  if (failure_ && system_clock().monotonic_ns() < failed_until_ns_) {
    for (PendingEntry& entry : arrived) answer(entry, fail(*failure_));
    arrived.clear();
  }
  for (PendingEntry& entry : arrived) {
    gathered_bytes_ += entry.bytes();
    bool urgent = entry.urgent();
    queue_.push_back(std::move(entry));
    if (urgent) hurried_ = queue_.size();
  }
  if (hurry) hurried_ = queue_.size();
  consider();
}

bool SegmentWriter::due() const {
  return hurried_ > 0 || close_done_ || gathered_bytes_ >= parts_.gather_bytes;
}

void SegmentWriter::arm_timer() {
  if (timer_ != 0) return;
  timer_ = parts_.loop->add_timer(parts_.gather_ns, [this] {
    timer_ = 0;
    hurried_ = queue_.size();
    consider();
  });
}

void SegmentWriter::consider() {
  if (in_flight_) return;
  if (queue_.empty()) {
    if (close_done_ && !preparing_) finish_close();
    return;
  }
  if (!due()) return arm_timer();
  start_batch();
}

bool SegmentWriter::is_full_for(const PendingEntry& entry) const {
  if (active_entries_ >= kSegmentEntriesMax) return true;
  return end_ > kSegmentHeaderBytes && end_ + entry.bytes() > parts_.folder.segment_bytes;
}

void SegmentWriter::start_batch() {
  if (active_ && is_full_for(queue_.front())) retire_active();
  if (!active_ && !next_) return prepare_next();
  if (!active_) activate_next();
  write_batch();
}

void SegmentWriter::write_batch() {
  std::vector<ConstByteSpan> pieces;
  pieces.push_back(fresh_ ? header_block_.span() : last_block_.span());
  std::uint64_t at = end_;
  std::size_t entries = active_entries_;
  while (!queue_.empty()) {
    PendingEntry& entry = queue_.front();
    bool first = batch_.empty();
    if (!first && at + entry.bytes() > parts_.folder.segment_bytes) break;
    if (!first && at - end_ + entry.bytes() > kSegmentBatchBytesMax) break;
    if (entries++ >= kSegmentEntriesMax) break;
    EntryHeader header;
    header.salt = active_->header().salt;
    header.offset = at;
    header.sequence = ++sequence_;
    header.durable_end = fresh_ ? 0 : end_;
    entry.place(header, pieces);
    at += entry.bytes();
    gathered_bytes_ -= entry.bytes();
    if (hurried_ > 0) --hurried_;
    batch_.push_back(std::move(entry));
    queue_.pop_front();
  }
  batch_end_ = at;
  in_flight_ = true;
  if (timer_ != 0) parts_.loop->cancel_timer(std::exchange(timer_, 0));
  const std::uint64_t from = fresh_ ? 0 : round_down(end_, kBlockAlignment);
  stage(pieces);
  ConstByteSpan staged = staging_.span();
  parts_.loop->write_and_sync(*file_, from, std::span(&staged, 1),
                              [this](Status status) { batch_done(std::move(status)); });
}

// Whole blocks, so that the write can go around the page cache: a copy of the batch, which costs
// less than the cache would. The block that the last batch ended in is written once more, with the
// same bytes in front.
void SegmentWriter::stage(const std::vector<ConstByteSpan>& pieces) {
  std::size_t length = 0;
  for (ConstByteSpan piece : pieces) length += piece.size();
  staging_.reset_size(round_up(length, kBlockAlignment));
  std::byte* to = staging_.data();
  for (ConstByteSpan piece : pieces) {
    std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
  }
  std::memset(to, 0, staging_.size() - length);
  std::size_t whole = round_down(length, kBlockAlignment);
  next_last_block_ = Buffer::copy_of(ConstByteSpan(staging_.span()).subspan(whole, length - whole));
}

void SegmentWriter::batch_done(Status status) {
  in_flight_ = false;
  std::vector<PendingEntry> batch;
  batch.swap(batch_);
  if (status) {
    for (PendingEntry& entry : batch) {
      put_bytes_ += entry.value_bytes();
      entry.apply_to(*active_);
    }
    if (fresh_) parts_.catalog->add(active_);
    fresh_ = false;
    header_block_ = Buffer();
    end_ = batch_end_;
    last_block_ = std::move(next_last_block_);
    active_entries_ += batch.size();
    durable_sequence_ = sequence_;
    if (failure_) {
      parts_.logger->info(fmt::format("event=store_heals store=\"{}\"", parts_.folder.name));
      set_condition("up");
    }
    failure_.reset();
    backoff_ns_ = parts_.retry_min_ns;
    keep_ahead();
  } else {
    abandon_active();
    fail_waiting(status.error());
    status = fail(*failure_);
  }
  for (PendingEntry& entry : batch) answer(entry, status);
  consider();
}

void SegmentWriter::answer(PendingEntry& entry, const Status& status) {
  queued_bytes_ -= entry.bytes();
  if (!status) ++errors_;
  entry.answer(status);
}

void SegmentWriter::fail_waiting(const Error& error) {
  std::string remedy =
      error.code() == Code::kNoSpace ? "; make room, it then goes on by itself" : "";
  failure_ = Error(error.code(),
                   fmt::format("put: {}: {}{}", parts_.folder.name, error.message(), remedy));
  failed_until_ns_ = system_clock().monotonic_ns() + backoff_ns_;
  backoff_ns_ = std::min(backoff_ns_ * 2, parts_.retry_max_ns);
  set_condition(error.code() == Code::kNoSpace ? "no space" : "failed: " + error.message());
  parts_.logger->error(fmt::format("event=store_fails store=\"{}\" waiting={} reason=\"{}\"",
                                   parts_.folder.name, queue_.size(), error.message()));
  std::deque<PendingEntry> waiting;
  waiting.swap(queue_);
  gathered_bytes_ = 0;
  hurried_ = 0;
  for (PendingEntry& entry : waiting) answer(entry, fail(*failure_));
}

std::string SegmentWriter::condition() const {
  MutexLock lock(condition_mutex_);
  return condition_;
}

void SegmentWriter::set_condition(std::string condition) {
  MutexLock lock(condition_mutex_);
  condition_ = std::move(condition);
}

void SegmentWriter::close(std::function<void()> done) {
  close_done_ = std::move(done);
  if (timer_ != 0) parts_.loop->cancel_timer(std::exchange(timer_, 0));
  consider();
}

void SegmentWriter::finish_close() {
  if (std::exchange(close_finished_, true)) return;
  // Everything is durable already; an index only makes the next opening faster.
  if (active_ && !fresh_) seal_in_background(active_, file_);
  if (active_ && fresh_) remove_in_background(active_->path(), file_);
  if (next_) remove_in_background(next_->path, next_->file);
  active_.reset();
  file_.reset();
  next_.reset();
  parts_.worker->submit(
      [this] { parts_.loop->post([this] { std::exchange(close_done_, nullptr)(); }); });
}

}  // namespace tlog::store
