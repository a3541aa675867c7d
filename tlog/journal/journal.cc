#include "tlog/journal/journal.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/base/assert.h"
#include "tlog/base/crc32c.h"
#include "tlog/base/limits.h"

namespace tlog::journal {
namespace {

constexpr std::uint64_t kSegmentBytesMax = 32 * kMiB;
constexpr std::uint64_t kSegmentsMin = 8;
// A record, the pad in front of it at the end of a segment, and the pad behind it.
constexpr std::uint64_t kArenaBytesMin = 3 * kRecordDataMax;

std::string superblock_path(const std::string& directory) {
  return io::join_path(directory, "superblock");
}

// Two slots in turn: a torn write leaves the other one.
std::uint64_t superblock_slot(const Superblock& superblock) {
  return superblock.generation % 2 * kSuperblockBytes;
}

}  // namespace

Journal::Journal(JournalOptions options, io::FileSystem& files, Logger& logger)
    : options_(std::move(options)), files_(files), logger_(logger) {}

Journal::~Journal() = default;

std::string Journal::segment_path(std::uint32_t index) const {
  return io::join_path(options_.directory, fmt::format("segment-{:05}", index));
}

Result<bool> Journal::exists(const std::string& directory, io::FileSystem& files) {
  return files.exists(superblock_path(directory));
}

Result<std::unique_ptr<Journal>> Journal::create(const JournalOptions& options,
                                                 io::FileSystem& files, Random& random,
                                                 Logger& logger) {
  std::unique_ptr<Journal> journal(new Journal(options, files, logger));
  TLOG_TRY(files.make_directories(options.directory));
  TLOG_TRY(journal->lock_directory());
  TLOG_ASSIGN(bool present, exists(options.directory, files));
  if (present) {
    TLOG_TRY(journal->read_superblock());
    if (journal->superblock_.created) {
      return fail(Code::kAlreadyExists,
                  fmt::format("create journal: {}: there is a journal already", options.directory));
    }
    journal->remove_arena();  // of a name that nobody will ask for again, with nothing in it
  }
  Superblock& superblock = journal->superblock_;
  superblock = Superblock{};
  superblock.journal = random.next_uuid();
  superblock.format = options.format;
  superblock.segment_bytes =
      std::clamp(round_down(options.size / kSegmentsMin, kMiB), kMiB, kSegmentBytesMax);
  superblock.segments = static_cast<std::uint32_t>(
      std::max<std::uint64_t>(options.size / superblock.segment_bytes, 2));
  superblock.clean = true;
  superblock.tail_sequence = options.first_sequence;
  superblock.tail_timestamp = options.first_timestamp;
  // The superblock comes last: without it there is no journal.
  TLOG_TRY(journal->make_segments());
  superblock.generation = 1;
  Buffer slots(2 * kSuperblockBytes);
  std::memset(slots.data(), 0, slots.size());
  Buffer first = encode_superblock(superblock);
  std::memcpy(slots.data() + superblock_slot(superblock), first.data(), first.size());
  const std::string path = superblock_path(options.directory);
  TLOG_TRY(io::write_file_atomically(files, path, slots.span()));
  TLOG_ASSIGN(journal->superblock_file_, files.open(path, {.write = true}));
  TLOG_TRY(journal->open_segments());
  TLOG_TRY(journal->map_arena());
  return journal;
}

Result<std::unique_ptr<Journal>> Journal::open(const JournalOptions& options, io::FileSystem& files,
                                               Logger& logger) {
  std::unique_ptr<Journal> journal(new Journal(options, files, logger));
  TLOG_ASSIGN(bool present, exists(options.directory, files));
  if (!present) {
    return fail(Code::kNotFound,
                fmt::format("open journal: {}: there is no journal", options.directory));
  }
  TLOG_TRY(journal->lock_directory());
  TLOG_TRY(journal->read_superblock());
  TLOG_TRY(journal->check_format());
  TLOG_TRY(journal->open_segments());
  TLOG_TRY(journal->map_arena());
  return journal;
}

Status Journal::lock_directory() {
  std::string path = io::join_path(options_.directory, "lock");
  TLOG_ASSIGN(lock_, files_.open(path, {.write = true, .create = true}));
  if (Status locked = lock_->try_lock(); !locked) {
    if (locked.error().code() != Code::kUnavailable) return locked;
    return fail(Code::kUnavailable,
                fmt::format("open journal: {}: another process serves vdisk '{}'; stop it first",
                            options_.directory, options_.format.name));
  }
  return {};
}

Status Journal::read_superblock() {
  std::string path = superblock_path(options_.directory);
  TLOG_ASSIGN(superblock_file_, files_.open(path, {.write = true}));
  Buffer bytes(2 * kSuperblockBytes);
  TLOG_ASSIGN(std::size_t got, superblock_file_->read(0, bytes.span()));
  std::optional<Superblock> newest;
  std::optional<Error> problem;
  for (std::size_t slot = 0; slot < 2; ++slot) {
    std::size_t begin = slot * kSuperblockBytes;
    if (got < begin + kSuperblockBytes) break;
    auto decoded = decode_superblock(bytes.span().subspan(begin, kSuperblockBytes), path);
    if (!decoded) {
      // A newer format in either slot counts: never fall back to what an older program left.
      bool newer = decoded.error().code() == Code::kNotSupported;
      if (newer) return fail(decoded.error());
      if (!problem) problem = decoded.error();
    } else if (!newest || decoded->generation > newest->generation) {
      newest = *decoded;
    }
  }
  if (!newest) {
    return fail(problem ? *problem
                        : Error(Code::kCorruption,
                                fmt::format("open journal: {}: superblock is cut short", path)));
  }
  superblock_ = *newest;
  return {};
}

Status Journal::check_format() const {
  const format::VdiskFormat& have = superblock_.format;
  const format::VdiskFormat& want = options_.format;
  auto refuse = [&](std::string reason) {
    return fail(Code::kInvalidArgument, fmt::format("open: vdisk '{}': journal {} {}", want.name,
                                                    options_.directory, reason));
  };
  if (have.name != want.name || (!want.vdisk.is_nil() && have.vdisk != want.vdisk)) {
    return refuse(
        fmt::format("belongs to another vdisk ('{}', uuid {}); give each vdisk a journal directory "
                    "of its own",
                    have.name, have.vdisk.text()));
  }
  if (have.size != want.size || have.block_size != want.block_size) {
    return refuse(fmt::format(
        "is of a vdisk of {} bytes with blocks of {}, the configuration says {} and {}; "
        "size and blockSize of a vdisk cannot be changed",
        have.size, have.block_size, want.size, want.block_size));
  }
  if (have.data_shards != want.data_shards || have.parity_shards != want.parity_shards) {
    return refuse(
        fmt::format("is of a log of {}+{} shards, the configuration says {}+{}; dataShards and "
                    "parityShards of a vdisk cannot be changed",
                    have.data_shards, have.parity_shards, want.data_shards, want.parity_shards));
  }
  return {};
}

Status Journal::write_superblock(Superblock& next) {
  next.generation = superblock_.generation + 1;
  Buffer bytes = encode_superblock(next);
  TLOG_TRY(superblock_file_->write(superblock_slot(next), bytes.span()));
  TLOG_TRY(superblock_file_->sync_data());
  superblock_ = next;
  return {};
}

// Zero-filled and synced, not only allocated: a sync of a prewritten block carries no metadata, and
// a full disk is met here and not in the middle of a write.
Status Journal::make_segments() {
  Buffer zeros(kMiB);
  std::memset(zeros.data(), 0, zeros.size());
  for (std::uint32_t i = 0; i < superblock_.segments; ++i) {
    TLOG_ASSIGN(auto file,
                files_.open(segment_path(i), {.write = true, .create = true, .direct = true}));
    TLOG_TRY(file->resize(superblock_.segment_bytes));
    if (Status done = file->preallocate(0, superblock_.segment_bytes);
        !done && done.error().code() != Code::kNotSupported) {
      return done;
    }
    for (std::uint64_t at = 0; at < superblock_.segment_bytes; at += zeros.size()) {
      TLOG_TRY(file->write(at, zeros.span()));
    }
    TLOG_TRY(file->sync_data());
  }
  return {};
}

Status Journal::open_segments() {
  seed_ = crc32c(std::as_bytes(std::span(superblock_.journal.bytes)));
  segment_bytes_ = superblock_.segment_bytes;
  capacity_ = segment_bytes_ * superblock_.segments;
  segments_.clear();
  for (std::uint32_t i = 0; i < superblock_.segments; ++i) {
    TLOG_ASSIGN(auto file, files_.open(segment_path(i), {.write = true, .direct = true}));
    TLOG_ASSIGN(std::uint64_t size, file->size());
    if (size != superblock_.segment_bytes) {
      return fail(Code::kCorruption, fmt::format("open journal: {}: has {} bytes, {} expected",
                                                 segment_path(i), size, superblock_.segment_bytes));
    }
    segments_.push_back(std::move(file));
  }
  return {};
}

std::string Journal::arena_path() const {
  return io::join_path(options_.arena_directory, "tlogdisk-" + superblock_.journal.text());
}

void Journal::remove_arena() {
  const Status removed = files_.remove(arena_path());
  if (removed || removed.error().code() == Code::kNotFound) return;
  logger_.warning(fmt::format("event=arena_left reason=\"{}\" remedy=\"remove it\"",
                              removed.error().message()));
}

Status Journal::map_arena() {
  TLOG_TRY(files_.make_directories(options_.arena_directory));
  const std::string path = arena_path();
  std::uint64_t size = round_up(
      std::max(kArenaBytesMin, std::min(options_.arena_size, capacity_ / 2)), kBlockAlignment);
  // A position's place in the arena depends on the arena's size: one that is left from a crash
  // keeps its own.
  TLOG_ASSIGN(bool left_over, files_.exists(path));
  if (left_over) {
    TLOG_ASSIGN(auto file, files_.open(path, {}));
    TLOG_ASSIGN(std::uint64_t have, file->size());
    if (have >= kArenaBytesMin && have % kBlockAlignment == 0) size = have;
  }
  TLOG_ASSIGN(arena_, files_.map_ring(path, size));
  return {};
}

Status Journal::mark_created() {
  Superblock next = superblock_;
  next.created = true;
  return write_superblock(next);
}

std::uint64_t Journal::bytes_needed(std::uint32_t data_length) const {
  std::uint64_t bytes = kRecordHeaderBytes + round_up(data_length, kRecordAlignment);
  std::uint64_t left = segment_bytes_ - head_ % segment_bytes_;
  // The pad at the end of a segment, and room for the pad that closes a batch.
  return (bytes > left ? left + bytes : bytes) + kBlockAlignment;
}

bool Journal::has_room(std::uint32_t data_length) const {
  Position end = head_ + bytes_needed(data_length);
  Position needed_from = pins_.empty() ? durable_ : std::min(durable_, *pins_.begin());
  return end - tail_ <= capacity_ && end - needed_from <= arena_->size();
}

bool Journal::keeps_arena_from(Position keep_from, std::uint32_t data_length) const {
  return head_ + bytes_needed(data_length) - keep_from <= arena_->size();
}

// Rounded up: a record never claims that more was durable than was.
std::uint32_t Journal::durable_distance() const {
  std::uint64_t blocks =
      round_up(head_ - std::min(head_, durable_), kBlockAlignment) / kBlockAlignment;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(blocks, kDurableDistanceMax));
}

Entry Journal::append(Operation operation, std::uint64_t offset, std::uint64_t size,
                      ConstByteSpan data, std::uint32_t data_crc, TimestampNs timestamp) {
  auto data_length = static_cast<std::uint32_t>(data.size());
  std::uint64_t left = segment_bytes_ - head_ % segment_bytes_;
  if (kRecordHeaderBytes + round_up(data_length, kRecordAlignment) > left) pad_to(head_ + left);
  RecordHeader header{.position = head_,
                      .sequence = next_sequence_,
                      .timestamp = timestamp,
                      .offset = offset,
                      .size = size,
                      .data_length = data_length,
                      .data_crc = data_crc,
                      .incarnation = incarnation_,
                      .operation = static_cast<std::uint8_t>(operation)};
  header.durable_distance = durable_distance();
  std::byte* at = arena_at(head_);
  // Data first: a header must never be found in the arena in front of another record's bytes.
  if (data_length != 0) std::memcpy(at + kRecordHeaderBytes, data.data(), data_length);
  std::uint64_t rest = header.stream_bytes() - kRecordHeaderBytes - data_length;
  if (rest != 0) std::memset(at + kRecordHeaderBytes + data_length, 0, rest);
  encode_record_header(header, seed_, at);
  head_ += header.stream_bytes();
  ++next_sequence_;
  return {.position = header.position,
          .timestamp = timestamp,
          .offset = offset,
          .size = size,
          .data_length = data_length,
          .data_crc = data_crc,
          .operation = operation};
}

void Journal::pad_to(Position end) {
  if (end == head_) return;
  TLOG_ASSERT(end - head_ >= kRecordHeaderBytes);
  RecordHeader header{.position = head_,
                      .sequence = next_sequence_,
                      .data_length = static_cast<std::uint32_t>(end - head_ - kRecordHeaderBytes),
                      .incarnation = incarnation_,
                      .operation = kPadOperation,
                      .durable_distance = durable_distance()};
  encode_record_header(header, seed_, arena_at(head_));
  head_ = end;
}

const std::byte* Journal::in_arena(Position position) const {
  Position oldest = std::max(arena_begin_, head_ > arena_->size() ? head_ - arena_->size() : 0);
  return position >= oldest ? arena_at(position) : nullptr;
}

Status Journal::read_back(Position position, ByteSpan into) const {
  Position begin = round_down(position, kBlockAlignment);
  Position end = round_up(position + into.size(), kBlockAlignment);
  Buffer blocks(end - begin);
  for (Position at = begin; at < end;) {
    std::uint64_t in_segment = at % segment_bytes_;
    std::uint64_t part = std::min(end - at, segment_bytes_ - in_segment);
    TLOG_ASSIGN(std::size_t got,
                segment_of(at).read(in_segment, {blocks.data() + (at - begin), part}));
    if (got != part) {
      return fail(Code::kCorruption, fmt::format("read journal: {}: ends at {}, {} bytes expected",
                                                 segment_of(at).path(), in_segment + got, part));
    }
    at += part;
  }
  std::memcpy(into.data(), blocks.data() + (position - begin), into.size());
  return {};
}

Journal::Batch Journal::cut_batch() {
  if (head_ == durable_) return {durable_, durable_, next_sequence_ - 1};
  pad_to(round_up(head_, kBlockAlignment));
  return {durable_, head_, next_sequence_ - 1};
}

std::vector<Journal::Part> Journal::parts_of(const Batch& batch) const {
  std::vector<Part> parts;
  for (Position at = batch.begin; at < batch.end;) {
    std::uint64_t in_segment = at % segment_bytes_;
    std::uint64_t length = std::min(batch.end - at, segment_bytes_ - in_segment);
    parts.push_back({&segment_of(at), in_segment, {arena_at(at), length}});
    at += length;
  }
  return parts;
}

Status Journal::release(const Release& release) {
  Superblock next = superblock_;
  next.tail = release.position;
  next.tail_sequence = release.sequence;
  next.tail_timestamp = release.timestamp;
  next.clean = release.clean;
  if (release.position >= incarnation_begin_) next.tail_incarnation = incarnation_;
  TLOG_TRY(write_superblock(next));
  {
    MutexLock lock(mutex_);
    tail_ = release.position;
  }
  if (release.clean) {
    // Everything is in the log and in block storage: the arena has nothing that is still needed.
    remove_arena();
  }
  return {};
}

}  // namespace tlog::journal
