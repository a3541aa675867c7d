#include "server/client/memory_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "tlog/base/assert.h"
#include "tlog/base/limits.h"

namespace tlog::client {
namespace {

std::uint64_t cost_of(std::size_t bytes) {
  return MemoryLog::kRecordCost + bytes;
}

// What servers' logs are compared by besides.
constexpr std::uint64_t kSpreadNs = 1'000'000'000;

}  // namespace

TimestampNs first_time(TimestampNs head, const Clock& clock, Random& random) {
  const TimestampNs now = clock.wall_ns();
  return now > head ? now : head + 1 + random.next_u64() % kSpreadNs;
}

MemoryLog::MemoryLog(const Options& options)
    : bytes_max_(options.bytes_max),
      clock_(options.clock != nullptr ? *options.clock : system_clock()),
      random_(options.random != nullptr ? *options.random : system_random()) {}

void MemoryLog::begin_behind(const protocol::LogPosition& head) {
  MutexLock lock(mutex_);
  TLOG_ASSERT(entries_.empty());
  first_ = head.sequence + 1;
  newest_ = first_time(head.timestamp, clock_, random_);
}

Result<Sequence> MemoryLog::append(ConstByteSpan data, std::uint64_t timeout_ns,
                                   std::uint64_t offset) {
  if (data.empty() || data.size() > kRecordDataMax) {
    return fail(Code::kInvalidArgument,
                fmt::format("append: {} bytes: a record has from 1 to {}; divide it", data.size(),
                            kRecordDataMax));
  }
  const auto deadline = steady_now() + std::chrono::nanoseconds(std::min<std::uint64_t>(
                                           timeout_ns, std::uint64_t{1} << 61));
  Entry entry{{data.begin(), data.end()}, offset, 0};
  const std::uint64_t cost = cost_of(data.size());
  MutexLock lock(mutex_);
  // A single record is taken however little may be held.
  while (!stopped_ && bytes_ != 0 && bytes_ + cost > bytes_max_) {
    if (room_.wait_until(mutex_, deadline)) continue;
    return fail(Code::kTimeout,
                fmt::format("append: {} bytes wait to be stored, more than {} are not held; see "
                            "waiting_for() of the client",
                            bytes_, bytes_max_));
  }
  if (stopped_) return fail(Code::kShutdown, "append: the log has been stopped");
  newest_ = std::max(newest_, clock_.wall_ns());
  entry.timestamp = newest_;
  bytes_ += cost;
  entries_.push_back(std::move(entry));
  return first_ + entries_.size() - 1;
}

void MemoryLog::stored(Sequence sequence) {
  {
    MutexLock lock(mutex_);
    while (!entries_.empty() && first_ <= sequence) {
      bytes_ -= cost_of(entries_.front().data.size());
      entries_.pop_front();
      ++first_;
    }
    room_.notify_all();
  }
  stored_.advance(sequence);
}

Status MemoryLog::wait_stored(Sequence sequence, std::uint64_t timeout_ns) {
  switch (stored_.wait(sequence, timeout_ns)) {
    case Watermark::Outcome::kReached:
      return {};
    case Watermark::Outcome::kPoisoned:
    case Watermark::Outcome::kEnded:
      return fail(Code::kShutdown, "wait: the log has been stopped");
    case Watermark::Outcome::kTimeout:
      break;
  }
  return fail(Code::kTimeout, fmt::format("wait: record {} is not stored after {} ms; see "
                                          "waiting_for() of the client",
                                          sequence, timeout_ns / 1'000'000));
}

void MemoryLog::stop() {
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    room_.notify_all();
  }
  stored_.poison();
}

Sequence MemoryLog::end() const {
  MutexLock lock(mutex_);
  return first_ + entries_.size() - 1;
}

Result<std::optional<protocol::Batch>> MemoryLog::take(Sequence first, Sequence last,
                                                       std::uint64_t bytes_wanted) {
  MutexLock lock(mutex_);
  if (first < first_ || first >= first_ + entries_.size() || last < first)
    return std::optional<protocol::Batch>();
  std::size_t bytes = 0;
  std::size_t count = 0;
  const std::size_t begin = first - first_;
  const std::size_t end = std::min<Sequence>(last - first_, entries_.size() - 1) + 1;
  const auto full = [&] { return bytes + count * kRecordCost >= bytes_wanted; };
  for (std::size_t i = begin; i < end && (count == 0 || !full()); ++i) {
    if (count != 0 && bytes + entries_[i].data.size() > protocol::kBatchBytesMax) break;
    bytes += entries_[i].data.size();
    ++count;
  }
  protocol::Batch batch{.bytes = Buffer(bytes), .records = {}};
  batch.records.reserve(count);
  std::size_t at = 0;
  for (std::size_t i = begin; i < begin + count; ++i) {
    const Entry& entry = entries_[i];
    std::memcpy(batch.bytes.data() + at, entry.data.data(), entry.data.size());
    batch.records.push_back({.sequence = first_ + i,
                             .offset = entry.offset,
                             .size = entry.data.size(),
                             .operation = Operation::kWrite,
                             .timestamp = entry.timestamp,
                             .hash = {},
                             .data = batch.bytes.span().subspan(at, entry.data.size())});
    at += entry.data.size();
  }
  return std::optional<protocol::Batch>(std::move(batch));
}

std::uint64_t MemoryLog::held_bytes() const {
  MutexLock lock(mutex_);
  return bytes_;
}

}  // namespace tlog::client
