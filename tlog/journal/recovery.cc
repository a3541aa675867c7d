// Finding what the journal holds after any end: a clean close, the death of the process, power
// loss.
//
// 1. The files are scanned from the tail to the first bytes that are not the next record.
// 2. The scan goes on in the arena, if it has survived: everything that was not durable yet is
// there.
// 3. If the arena does not continue, the bytes behind are searched for a later record that says the
// missing one had been
//    durable: then it is damage, not the end, and the journal is refused.
// 4. What only the arena had is written and synced; a pad of the new incarnation closes the last
// block, so that nothing
//    behind it can ever be taken for a successor.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tlog/base/assert.h"
#include "tlog/base/crc32c.h"
#include "tlog/base/limits.h"
#include "tlog/io/workers.h"
#include "tlog/journal/journal.h"

namespace tlog::journal {
namespace {

constexpr std::uint64_t kWindowBytes = 4 * kMiB;
constexpr unsigned kReadersAtOnce = 4;

// One segment file read ahead in windows by several threads, and waited for window by window.
class SegmentWindows {
 public:
  // `bytes` is as long as a segment: the caller's, used again for the next but one, because faulting
  // fresh memory in costs as much as reading.
  SegmentWindows(io::File& file, std::uint64_t begin, std::uint64_t end, Buffer& bytes,
                 io::Workers& workers)
      : begin_(begin),
        bytes_(bytes),
        states_((end - begin + kWindowBytes - 1) / kWindowBytes, kReading) {
    for (std::size_t i = 0; i < states_.size(); ++i) {
      std::uint64_t from = begin_ + i * kWindowBytes;
      std::uint64_t length = std::min(kWindowBytes, end - from);
      workers.submit([this, i, from, length, &file] {
        bool wanted = false;
        {
          MutexLock lock(mutex_);
          wanted = !abandoned_;
        }
        Result<std::size_t> got = std::size_t{0};
        if (wanted) got = file.read(from, {bytes_.data() + from, length});
        MutexLock lock(mutex_);
        if (!got) {
          error_ = got.error();
          states_[i] = kFailed;
        } else {
          states_[i] = kReady;
        }
        ++finished_;
        changed_.notify_all();
      });
    }
  }
  ~SegmentWindows() {
    MutexLock lock(mutex_);
    abandoned_ = true;
    while (finished_ < states_.size()) changed_.wait(mutex_);
  }

  // Makes the bytes before `end` readable in data().
  Status wait_for(std::uint64_t end) {
    MutexLock lock(mutex_);
    std::size_t windows =
        std::min<std::size_t>((end - begin_ + kWindowBytes - 1) / kWindowBytes, states_.size());
    while (ready_ < windows) {
      while (states_[ready_] == kReading) changed_.wait(mutex_);
      if (states_[ready_] == kFailed) return fail(*error_);
      ++ready_;
    }
    return {};
  }
  const std::byte* data() const { return bytes_.data(); }

 private:
  enum State : char { kReading, kReady, kFailed };

  const std::uint64_t begin_;
  Buffer& bytes_;  // of the whole segment; only the windows are filled
  Mutex mutex_;
  CondVar changed_;
  std::vector<State> states_ GUARDED_BY(mutex_);
  std::size_t ready_ = 0;
  std::size_t finished_ GUARDED_BY(mutex_) = 0;
  bool abandoned_ GUARDED_BY(mutex_) = false;
  std::optional<Error> error_ GUARDED_BY(mutex_);
};

}  // namespace

struct Journal::Scan {
  Position at = 0;
  Sequence next = 1;
  std::uint32_t incarnation = 0;  // of the last valid record
  TimestampNs timestamp = 0;
  Position durable = 0;        // what the last record says to have been durable before it
  Position files_end = 0;      // where the files stopped
  Position files_durable = 0;  // `durable` there
  Recovered recovered;

  // Takes the header at `at` if it is the next record's; its data is still to be checked.
  std::optional<RecordHeader> next_header(const std::byte* bytes, std::uint32_t seed,
                                          std::uint64_t room) const {
    auto header = decode_record_header(bytes, seed);
    if (!header || header->position != at || header->sequence != next ||
        header->incarnation < incarnation || header->stream_bytes() > room) {
      return std::nullopt;
    }
    bool pad = header->operation == kPadOperation;
    if (!pad && (!is_known_operation(header->operation) || header->data_length > kRecordDataMax))
      return std::nullopt;
    return header;
  }

  void take(const RecordHeader& header) {
    incarnation = header.incarnation;
    durable = header.durable();
    at += header.stream_bytes();
    if (header.operation == kPadOperation) return;
    timestamp = std::max(timestamp, header.timestamp);
    ++next;
    recovered.entries.push_back({.position = header.position,
                                 .timestamp = header.timestamp,
                                 .offset = header.offset,
                                 .size = header.size,
                                 .data_length = header.data_length,
                                 .data_crc = header.data_crc,
                                 .operation = static_cast<Operation>(header.operation)});
  }
};

Status Journal::scan_files(Scan& scan) {
  const std::uint64_t segment_bytes = superblock_.segment_bytes;
  const Position stop = superblock_.tail + capacity_;
  std::array<Buffer, 2> buffers;
  for (Buffer& buffer : buffers) buffer = Buffer(segment_bytes);
  io::Workers readers;
  readers.start(kReadersAtOnce, "tlog-recover");
  std::size_t turn = 0;
  auto read_ahead = [&](Position from) -> std::unique_ptr<SegmentWindows> {
    if (from >= stop) return nullptr;
    const Position base = round_down(from, segment_bytes);
    const std::uint64_t limit = std::min(segment_bytes, stop - base);
    return std::make_unique<SegmentWindows>(
        segment_of(from), round_down(from - base, kBlockAlignment),
        round_up(limit, kBlockAlignment), buffers[turn++ % buffers.size()], readers);
  };
  bool at_end = false;
  std::unique_ptr<SegmentWindows> next = read_ahead(scan.at);
  while (!at_end && next) {
    const Position base = round_down(scan.at, segment_bytes);
    const std::uint64_t limit = std::min(segment_bytes, stop - base);
    const std::unique_ptr<SegmentWindows> windows = std::move(next);
    next = read_ahead(base + segment_bytes);
    while (!at_end && scan.at - base < limit) {
      std::uint64_t in_segment = scan.at - base;
      TLOG_TRY(windows->wait_for(in_segment + kRecordHeaderBytes));
      auto header = scan.next_header(windows->data() + in_segment, seed_, limit - in_segment);
      if (header && header->operation != kPadOperation) {
        TLOG_TRY(windows->wait_for(in_segment + header->stream_bytes()));
        ConstByteSpan data{windows->data() + in_segment + kRecordHeaderBytes, header->data_length};
        if (crc32c(data) != header->data_crc) header.reset();
      }
      if (header) {
        scan.take(*header);
      } else {
        at_end = true;
      }
    }
  }
  scan.files_end = scan.at;
  scan.files_durable = std::min(scan.durable, scan.at);
  return {};
}

void Journal::scan_arena(Scan& scan) {
  const Position begin = scan.at;
  while (scan.at - begin + kRecordHeaderBytes <= arena_->size()) {
    const std::byte* bytes = arena_at(scan.at);
    std::uint64_t room = std::min(arena_->size() - (scan.at - begin),
                                  superblock_.segment_bytes - scan.at % superblock_.segment_bytes);
    auto header = scan.next_header(bytes, seed_, room);
    if (!header) return;
    bool pad = header->operation == kPadOperation;
    if (!pad && crc32c({bytes + kRecordHeaderBytes, header->data_length}) != header->data_crc)
      return;
    scan.take(*header);
    if (!pad) ++scan.recovered.from_arena;
  }
}

// A durable record that cannot be read is damage. Later records say how far the journal was durable
// when they were written, and they cannot be further away than the arena is long.
Status Journal::check_nothing_durable_is_missing(const Scan& scan) {
  Position limit = std::min(scan.at + arena_->size(), superblock_.tail + capacity_);
  Buffer window(kWindowBytes);
  for (Position at = round_down(scan.at, kBlockAlignment); at < limit;) {
    std::uint64_t in_segment = at % superblock_.segment_bytes;
    std::uint64_t length =
        std::min({kWindowBytes, limit - at, superblock_.segment_bytes - in_segment});
    length = round_up(length, kBlockAlignment);
    TLOG_ASSIGN(std::size_t got, segment_of(at).read(in_segment, {window.data(), length}));
    for (std::uint64_t i = 0; i + kRecordHeaderBytes <= got; i += kRecordAlignment) {
      if (at + i <= scan.at) continue;
      auto header = decode_record_header(window.data() + i, seed_);
      bool later = header && header->position == at + i && header->sequence >= scan.next &&
                   header->incarnation >= scan.incarnation;
      if (later && header->durable() > scan.at) {
        return fail(Code::kCorruption,
                    fmt::format("open journal: {}: record {} at byte {} is damaged although it was "
                                "durable: record {} "
                                "behind it says so; what is stored in the log can be restored with "
                                "tlogplay, then move "
                                "this journal away",
                                segment_of(scan.at).path(), scan.next,
                                scan.at % superblock_.segment_bytes, header->sequence));
      }
    }
    at += length;
  }
  return {};
}

Status Journal::settle(const Scan& scan) {
  Superblock next = superblock_;
  next.incarnation = std::max(superblock_.incarnation, scan.incarnation) + 1;
  next.clean = false;
  TLOG_TRY(write_superblock(next));
  incarnation_ = next.incarnation;
  // What the files have is not therefore durable: it may have been written and never synced, or its
  // sync may have failed. What was not known to be durable is written once more, all of it is
  // synced.
  const Position in_files = round_down(scan.files_end, kBlockAlignment);
  Position begin = std::clamp(round_down(scan.files_durable, kBlockAlignment),
                              round_down(superblock_.tail, kBlockAlignment), in_files);
  if (scan.at + 2 * kBlockAlignment - begin > arena_->size()) begin = in_files;
  if (begin < scan.files_end) {  // these bytes come from the files: the arena may be new
    TLOG_TRY(read_back(begin, {arena_at(begin), scan.files_end - begin}));
  }
  for (Position at = superblock_.tail; at < scan.files_end;
       at = round_down(at, segment_bytes_) + segment_bytes_) {
    TLOG_TRY(segment_of(at).sync_data());
  }
  Batch batch;
  {
    MutexLock lock(mutex_);
    tail_ = superblock_.tail;
    head_ = scan.at;
    next_sequence_ = scan.next;
    arena_begin_ = begin;
    durable_ = begin;
    incarnation_begin_ = scan.at;
    // There is always a pad of this life behind what was found, also when that ends with a block.
    bool aligned = head_ % kBlockAlignment == 0;
    if (aligned && head_ + kBlockAlignment - tail_ <= capacity_) pad_to(head_ + kBlockAlignment);
    batch = cut_batch();
  }
  for (const Part& part : parts_of(batch)) {
    TLOG_TRY(part.file->write(part.file_offset, part.bytes));
    TLOG_TRY(part.file->sync_data());
  }
  MutexLock lock(mutex_);
  batch_durable(batch);
  return {};
}

Result<Recovered> Journal::recover() {
  Scan scan;
  scan.at = superblock_.tail;
  scan.next = superblock_.tail_sequence;
  scan.timestamp = superblock_.tail_timestamp;
  scan.incarnation = superblock_.tail_incarnation;
  scan.recovered.first_sequence = scan.next;
  TLOG_TRY(scan_files(scan));
  scan_arena(scan);
  TLOG_TRY(check_nothing_durable_is_missing(scan));
  TLOG_TRY(settle(scan));
  scan.recovered.last_timestamp = scan.timestamp;
  return std::move(scan.recovered);
}

}  // namespace tlog::journal
