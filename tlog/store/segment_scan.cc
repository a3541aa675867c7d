#include "tlog/store/segment_scan.h"

#include <algorithm>

#include "tlog/base/crc32c.h"

namespace tlog::store {
namespace {

constexpr std::size_t kWindowBytes = 64 * kKiB;
constexpr std::size_t kSearchBytes = kMiB;
// Beside a writer every miss looks again, so it must not read all the room that was preallocated:
// as many zeros as a batch may have bytes are the end.
constexpr std::uint64_t kLiveEndBytes = kSegmentBatchBytesMax;

// Headers and keys through a window: small entries lie close together, large ones cost one small
// read each.
class Window {
 public:
  explicit Window(io::File& file) : file_(file), buffer_(kWindowBytes) {}

  // At most `length` bytes at `offset`, fewer at the end of the file. Valid until the next call.
  Result<ConstByteSpan> at(std::uint64_t offset, std::size_t length) {
    if (offset < start_ || offset + length > start_ + filled_) {
      bool next = offset >= start_ && offset < start_ + 2 * kWindowBytes;
      std::size_t wanted = next ? kWindowBytes : 4 * kKiB;
      TLOG_ASSIGN(filled_, file_.read(offset, buffer_.span().first(std::max(wanted, length))));
      start_ = offset;
    }
    std::uint64_t skipped = offset - start_;
    if (skipped >= filled_) return ConstByteSpan();
    return ConstByteSpan(buffer_.span())
        .subspan(skipped)
        .first(std::min<std::uint64_t>(length, filled_ - skipped));
  }

  void forget() { filled_ = 0; }

 private:
  io::File& file_;
  Buffer buffer_;
  std::uint64_t start_ = 0;
  std::size_t filled_ = 0;
};

class Scanner {
 public:
  Scanner(io::File& file, const ScanOptions& options, SegmentScan& scan, std::uint64_t end)
      : file_(file), window_(file), options_(options), scan_(scan), end_(end) {}

  Status run();

 private:
  // Takes the entry at the position, if there is one.
  Result<bool> take_entry();
  // The next place, after the position, where an entry begins; end_ when there is none.
  Result<std::uint64_t> search();
  Result<std::uint64_t> search_chunk(std::uint64_t from, std::uint64_t until, bool& zeros);
  Status check_bodies();
  void cut_torn_end();
  void remember_unproven() {
    if (!unproven_) unproven_ = scan_;
  }

  io::File& file_;
  Window window_;
  const ScanOptions& options_;
  SegmentScan& scan_;
  const std::uint64_t end_;
  std::uint64_t start_ = 0;  // where an earlier scan ended
  std::size_t checked_ = 0;  // entries before it came with an earlier scan
  std::optional<SegmentScan>
      unproven_;  // live: where to stop unless later entries say that this was durable
};

Result<bool> Scanner::take_entry() {
  std::uint64_t offset = scan_.position;
  if (offset + kEntryHeaderBytes > end_) return false;
  TLOG_ASSIGN(ConstByteSpan bytes, window_.at(offset, kEntryHeaderBytes + kStoreKeyBytesMax));
  auto header = decode_entry_header(bytes, scan_.salt, offset);
  if (!header) return false;
  std::uint64_t length = entry_bytes(header->key_length, header->value_length);
  if (length > end_ - offset) return false;
  ConstByteSpan key = bytes.subspan(kEntryHeaderBytes);
  if (key.size() < header->key_length) return false;
  scan_.salt = header->salt;
  scan_.durable_end = std::max(scan_.durable_end, header->durable_end);
  scan_.last_sequence = std::max(scan_.last_sequence, header->sequence);
  scan_.entries.push_back(
      {std::string(reinterpret_cast<const char*>(key.data()), header->key_length),
       {offset, header->value_length, header->body_crc, header->kind}});
  scan_.position = offset + length;
  return true;
}

// `zeros` stays true while nothing else was read.
Result<std::uint64_t> Scanner::search_chunk(std::uint64_t from, std::uint64_t until, bool& zeros) {
  Buffer chunk(until - from);
  TLOG_ASSIGN(std::size_t got, file_.read(from, chunk.span()));
  ConstByteSpan bytes = ConstByteSpan(chunk.span()).first(got);
  if (all_zero(bytes)) return end_;
  zeros = false;
  for (std::size_t at = 0; at + kEntryHeaderBytes <= bytes.size(); at += kSegmentUnit) {
    if (decode_entry_header(bytes.subspan(at), scan_.salt, from + at)) return from + at;
  }
  return end_;
}

Result<std::uint64_t> Scanner::search() {
  std::uint64_t at = scan_.position + kSegmentUnit;
  const std::uint64_t live_end = at + kLiveEndBytes;
  bool zeros = true;
  while (at < end_) {
    // Preallocated room reads as zeros; it is skipped where the file system knows it.
    TLOG_ASSIGN(std::uint64_t data, file_.next_data(at));
    at = std::max(at, round_down(data, kSegmentUnit));
    if (at >= end_ || (options_.live && zeros && at >= live_end)) break;
    std::uint64_t until = std::min(end_, at + kSearchBytes);
    TLOG_ASSIGN(std::uint64_t found, search_chunk(at, until, zeros));
    if (found < end_) return found;
    at = until;
  }
  return end_;
}

Status Scanner::check_bodies() {
  std::vector<ScannedEntry> kept;
  std::size_t count = scan_.entries.size();
  for (std::size_t i = checked_; i < count; ++i) {
    ScannedEntry& entry = scan_.entries[i];
    // What was durable and is damaged now keeps its place: reading it will say so.
    if (entry.location.offset >= scan_.durable_end) {
      TLOG_ASSIGN(bool intact, body_is_intact(file_, entry.key, entry.location));
      if (!intact && options_.live) {
        scan_.position = entry.location.offset;
        break;
      }
      if (!intact) {
        std::uint64_t length = entry_bytes(entry.key.size(), entry.location.value_length);
        scan_.holes.push_back({entry.location.offset, entry.location.offset + length});
        continue;
      }
    }
    kept.push_back(std::move(entry));
  }
  scan_.entries.resize(checked_);
  std::move(kept.begin(), kept.end(), std::back_inserter(scan_.entries));
  if (!options_.live) cut_torn_end();
  return {};
}

void Scanner::cut_torn_end() {
  scan_.position = start_;
  if (scan_.entries.size() > checked_) {
    const ScannedEntry& last = scan_.entries.back();
    scan_.position =
        last.location.offset + entry_bytes(last.key.size(), last.location.value_length);
  }
  std::erase_if(scan_.holes,
                [&](const SegmentHole& hole) { return hole.offset >= scan_.position; });
}

Status Scanner::run() {
  checked_ = scan_.entries.size();
  start_ = scan_.position;
  if (options_.end_is_known()) scan_.durable_end = std::max(scan_.durable_end, options_.known_end);
  while (scan_.position < end_) {
    TLOG_ASSIGN(bool taken, take_entry());
    if (taken && unproven_ && scan_.durable_end > unproven_->position) unproven_.reset();
    if (taken) continue;
    TLOG_ASSIGN(std::uint64_t next, search());
    if (next >= end_) break;
    // Beside a writer the entry may have come while we searched.
    window_.forget();
    TLOG_ASSIGN(bool came, take_entry());
    if (came) continue;
    if (options_.live) remember_unproven();
    scan_.holes.push_back({scan_.position, next});
    scan_.position = next;
  }
  if (unproven_) scan_ = std::move(*unproven_);
  TLOG_TRY(check_bodies());
  // Everything up to a known end was durable: what is not found there is missing.
  if (options_.end_is_known() && scan_.position < options_.known_end) {
    scan_.holes.push_back({scan_.position, options_.known_end});
    scan_.position = options_.known_end;
  }
  return {};
}

}  // namespace

std::uint64_t SegmentScan::damaged_bytes() const {
  std::uint64_t bytes = 0;
  for (const SegmentHole& hole : holes) {
    if (hole.offset < durable_end) bytes += std::min(hole.end, durable_end) - hole.offset;
  }
  return bytes;
}

std::uint64_t SegmentScan::hole_bytes() const {
  std::uint64_t bytes = 0;
  for (const SegmentHole& hole : holes) bytes += hole.end - hole.offset;
  return bytes;
}

Status scan_segment(io::File& file, const ScanOptions& options, SegmentScan& scan) {
  TLOG_ASSIGN(std::uint64_t size, file.size());
  std::uint64_t end = std::min({size, options.known_end, kSegmentBytesMax});
  return Scanner(file, options, scan, end).run();
}

Result<bool> body_is_intact(io::File& file, std::string_view key, const EntryLocation& location) {
  std::uint32_t crc = crc32c(bytes_of(key));
  std::uint64_t at = value_offset(location, key);
  std::uint64_t left = location.value_length;
  Buffer chunk(std::min<std::uint64_t>(left, kMiB));
  while (left > 0) {
    ByteSpan into = chunk.span().first(std::min<std::uint64_t>(left, chunk.size()));
    TLOG_ASSIGN(std::size_t got, file.read(at, into));
    if (got < into.size()) return false;
    crc = crc32c(into, crc);
    at += got;
    left -= got;
  }
  return crc == location.body_crc;
}

}  // namespace tlog::store
