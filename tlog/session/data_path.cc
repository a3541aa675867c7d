#include "tlog/session/data_path.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/base/assert.h"
#include "tlog/base/crc32c.h"
#include "tlog/base/limits.h"

namespace tlog::session {
namespace {

// Plain writes are committed when this much has gathered (or at a flush, or at the next tick).
constexpr std::uint64_t kCommitBytes = kMiB;

}  // namespace

Status DataPath::check_range(const char* operation, std::uint64_t offset,
                             std::uint64_t length) const {
  if (offset <= core_.config.size && length <= core_.config.size - offset) return {};
  return fail(Code::kInvalidArgument,
              fmt::format("{}: {}: range {}+{} is beyond its end ({} bytes)", operation,
                          core_.who(), offset, length, core_.config.size));
}

Status DataPath::failed(const char* operation) const {
  if (core_.state == State::kFailed) {
    return fail(Code::kIoError,
                fmt::format("{}: {}: failed earlier: {}; mend the cause, then restart", operation,
                            core_.who(), core_.reason));
  }
  return fail(Code::kShutdown, fmt::format("{}: {}: is closed", operation, core_.who()));
}

Result<Sequence> DataPath::append(Operation operation, std::uint64_t offset, std::uint64_t size,
                                  ConstByteSpan data, Deadline& deadline, bool held) {
  const std::uint32_t data_crc =
      crc32c(data);  // outside of the lock, and brings the payload into the cache
  bool commit = false;
  bool arm_timer = false;
  Sequence sequence = 0;
  {
    MutexLock lock(core_.mutex());
    TLOG_TRY(wait_for_turn(static_cast<std::uint32_t>(data.size()), deadline, held));
    core_.last_timestamp = std::max(core_.last_timestamp, core_.clock.wall_ns());
    journal::Entry entry =
        core_.journal->append(operation, offset, size, data, data_crc, core_.last_timestamp);
    core_.table.push_back(entry);
    sequence = core_.table_end() - 1;
    Overlay::Kind kind = overlay_kind(operation);
    if (kind != Overlay::Kind::kNone)
      core_.overlay.insert(offset, size, kind, entry.data_position(), sequence);
    if (core_.next_seal == sequence) core_.unsealed_since_ns = core_.clock.monotonic_ns();
    core_.appended.store(sequence);
    if (core_.journal->head() - commit_requested_at_ >= kCommitBytes) {
      commit_requested_at_ = core_.journal->head();
      commit = true;
    }
    if (!tick_armed_) tick_armed_ = arm_timer = true;
  }
  if (commit) core_.request_commit();
  if (arm_timer) arm_tick();
  return sequence;
}

bool DataPath::tick() {
  bool more = false;
  {
    MutexLock lock(core_.mutex());
    more = core_.journal->head() != core_.journal->durable();
    tick_armed_ = more;
    core_.apply_now = true;
    core_.work_changed();
  }
  if (more) core_.request_commit();
  return more;
}

Status DataPath::write(std::uint64_t offset, ConstByteSpan data, bool fua) {
  TLOG_TRY(check_range("write", offset, data.size()));
  ++core_.counters.writes;
  core_.counters.write_bytes += data.size();
  Sequence last = 0;
  Deadline deadline;
  while (!data.empty()) {
    ConstByteSpan part = data.first(std::min<std::uint64_t>(data.size(), kRecordDataMax));
    TLOG_ASSIGN(last, append(Operation::kWrite, offset, part.size(), part, deadline));
    offset += part.size();
    data = data.subspan(part.size());
  }
  return fua ? settle("write with FUA", last) : Status{};
}

Status DataPath::write_range(Operation operation, std::uint64_t offset, std::uint64_t length,
                             bool fua) {
  const char* name = operation == Operation::kZero ? "zero" : "discard";
  TLOG_TRY(check_range(name, offset, length));
  if (length == 0) return {};
  ++core_.counters.writes;
  Deadline deadline;
  TLOG_ASSIGN(Sequence sequence, append(operation, offset, length, {}, deadline));
  return fua ? settle(name, sequence) : Status{};
}

Status DataPath::discard(std::uint64_t offset, std::uint64_t length, bool fua) {
  return write_range(Operation::kDiscard, offset, length, fua);
}

Status DataPath::zero(std::uint64_t offset, std::uint64_t length, bool may_discard, bool fua) {
  return write_range(may_discard ? Operation::kDiscard : Operation::kZero, offset, length, fua);
}

Status DataPath::wait_durable(const char* operation, Sequence sequence) {
  if (core_.wait_durable(sequence)) return {};
  MutexLock lock(core_.mutex());
  return failed(operation);
}

Status DataPath::wait_stored(const char* operation, Sequence sequence, std::uint64_t timeout_ns) {
  if (core_.stored.value() >= sequence) return {};
  {
    MutexLock lock(core_.mutex());
    core_.forced = std::max(core_.forced, sequence);
  }
  // There is nothing else for this thread to do: to wake another for it would only take longer.
  core_.seal_here();
  Watermark::Outcome outcome = core_.stored.wait(sequence, timeout_ns);
  if (outcome == Watermark::Outcome::kReached) return {};
  MutexLock lock(core_.mutex());
  if (outcome == Watermark::Outcome::kPoisoned) return failed(operation);
  const std::string why = core_.log_waits_for();
  return fail(Code::kTimeout,
              fmt::format("{}: {}: sequence {} is not stored within {} (stored: {}){}{}; it is in "
                          "the journal and will be stored when the stores allow it",
                          operation, core_.who(), sequence, config::format_duration_ns(timeout_ns),
                          core_.stored.value(), why.empty() ? "" : ": ", why));
}

// In the memory of so many servers, now: nothing is hurried to their stores for it.
Status DataPath::wait_received(const char* operation, Sequence sequence) {
  const std::uint64_t timeout_ns = core_.settings.stall_timeout_ns;
  Watermark::Outcome outcome = core_.received.wait(sequence, timeout_ns);
  if (outcome == Watermark::Outcome::kReached) return {};
  MutexLock lock(core_.mutex());
  if (outcome == Watermark::Outcome::kPoisoned) return failed(operation);
  const std::string why = core_.log_waits_for();
  return fail(Code::kTimeout,
              fmt::format("{}: {}: sequence {} is not received by {} servers within {} (received: "
                          "{}){}{}; it is in the journal and will be sent when they are there",
                          operation, core_.who(), sequence, core_.config.tlog.received,
                          config::format_duration_ns(timeout_ns), core_.received.value(),
                          why.empty() ? "" : ": ", why));
}

// What FLUSH and FUA promise, by the vdisk's durability.
Status DataPath::settle(const char* operation, Sequence sequence) {
  TLOG_TRY(wait_durable(operation, sequence));
  if (core_.config.tlog.durability == config::Durability::kJournal) return {};
  if (core_.config.tlog.received != 0) return wait_received(operation, sequence);
  return wait_stored(operation, sequence, core_.settings.stall_timeout_ns);
}

Status DataPath::flush() {
  ++core_.counters.flushes;
  // Every call that has been answered has its sequence in `appended`.
  const Sequence target = core_.appended.load();
  {
    // A flush with nothing new must not succeed after a failure either: an earlier answered write
    // may be lost.
    MutexLock lock(core_.mutex());
    if (core_.state != State::kServing) return failed("flush");
  }
  return settle("flush", target);
}

Result<Sequence> DataPath::mark(const std::string& name) {
  if (name.empty() || name.size() > kMarkNameMax) {
    return fail(Code::kInvalidArgument, fmt::format("mark: {}: the name must have 1 to {} bytes",
                                                    core_.who(), kMarkNameMax));
  }
  Deadline deadline;
  TLOG_ASSIGN(Sequence sequence,
              append(Operation::kMark, 0, name.size(), bytes_of(name), deadline));
  TLOG_TRY(settle("mark", sequence));
  return sequence;
}

Result<Sequence> DataPath::flush_to_stores(std::uint64_t timeout_ns) {
  const Sequence target = core_.appended.load();
  TLOG_TRY(wait_durable("flush to stores", target));
  TLOG_TRY(wait_stored("flush to stores", target, timeout_ns));
  return target;
}

// Copies what memory has, under the lock, so that the arena cannot move on meanwhile. What has to
// be read elsewhere (block storage, journal files) comes back in `elsewhere`. False: nothing of it
// was logged.
bool DataPath::copy_logged(std::uint64_t offset, ByteSpan into, Elsewhere& rest) {
  std::vector<Overlay::Piece>& elsewhere = rest.pieces;
  elsewhere.clear();
  rest.storage.reset();
  std::vector<Overlay::Piece> pieces;
  MutexLock lock(core_.mutex());
  if (core_.overlay.extents() == 0) {
    rest.storage = core_.storage();
    return false;
  }
  core_.overlay.lookup(offset, into.size(), pieces);
  for (const Overlay::Piece& piece : pieces) {
    std::byte* to = into.data() + (piece.offset - offset);
    const std::byte* from = nullptr;
    switch (piece.kind) {
      case Overlay::Kind::kNone:
        if (!rest.storage) rest.storage = core_.storage();
        elsewhere.push_back(piece);
        break;
      case Overlay::Kind::kZero:
      case Overlay::Kind::kHole:
        std::memset(to, 0, piece.length);
        break;
      case Overlay::Kind::kData:
        from = core_.journal->in_arena(piece.position);
        if (from != nullptr) {
          std::memcpy(to, from, piece.length);
        } else {
          elsewhere.push_back(piece);
        }
        break;
    }
  }
  return true;
}

// With a standby, a client need not notice that the storage it read from has died.
bool DataPath::may_read_again(const Error& error, const blocks::BlockStorage* failed,
                              std::uint64_t& deadline_ns) {
  if (!core_.await_storage || failed == nullptr) return false;
  if (core_.storage().get() != failed) return true;
  if (error.code() != Code::kUnavailable && error.code() != Code::kTimeout) return false;
  if (deadline_ns == 0) deadline_ns = core_.clock.monotonic_ns() + core_.settings.stall_timeout_ns;
  return core_.await_storage(failed, deadline_ns);
}

Status DataPath::read(std::uint64_t offset, ByteSpan into) {
  TLOG_TRY(check_range("read", offset, into.size()));
  ++core_.counters.reads;
  core_.counters.read_bytes += into.size();
  if (into.empty()) return {};
  Elsewhere elsewhere;
  std::uint64_t deadline_ns = 0;
  for (;;) {
    const bool is_logged = copy_logged(offset, into, elsewhere);
    Status read =
        is_logged ? read_elsewhere(offset, into, elsewhere) : elsewhere.storage->read(offset, into);
    if (!read && may_read_again(read.error(), elsewhere.storage.get(), deadline_ns)) continue;
    if (!read || !is_logged || is_intact(elsewhere)) return read;
  }
}

Status DataPath::read_elsewhere(std::uint64_t offset, ByteSpan into, const Elsewhere& elsewhere) {
  for (const Overlay::Piece& piece : elsewhere.pieces) {
    ByteSpan to = into.subspan(piece.offset - offset, piece.length);
    if (piece.kind == Overlay::Kind::kData) {
      TLOG_TRY(core_.journal->read_back(piece.position, to));
    } else {
      TLOG_TRY(elsewhere.storage->read(piece.offset, to));
    }
  }
  return {};
}

// Journal space that was released while we read may hold other records by now: then look again.
bool DataPath::is_intact(const Elsewhere& elsewhere) {
  const auto is_data = [](const Overlay::Piece& piece) {
    return piece.kind == Overlay::Kind::kData;
  };
  if (std::none_of(elsewhere.pieces.begin(), elsewhere.pieces.end(), is_data)) return true;
  MutexLock lock(core_.mutex());
  return std::all_of(elsewhere.pieces.begin(), elsewhere.pieces.end(), [&](const auto& piece) {
    return !is_data(piece) || piece.position >= core_.journal->tail();
  });
}

// ---- Going over to storage that lacks something ----

// Nobody else writes meanwhile: what is logged for the range since is newer, and stays.
Status DataPath::log_again(std::uint64_t offset, std::uint64_t length) {
  Deadline deadline;  // a range waits for room once, however many records it takes
  Buffer bytes(std::min<std::uint64_t>(length, kRecordDataMax));
  while (length > 0) {
    const std::uint64_t part = std::min<std::uint64_t>(length, bytes.size());
    std::vector<Overlay::Piece> pieces;
    {
      MutexLock lock(core_.mutex());
      core_.overlay.lookup(offset, part, pieces);
    }
    for (const Overlay::Piece& piece : pieces) {
      if (piece.kind != Overlay::Kind::kNone) continue;
      const ByteSpan shown = bytes.span().first(piece.length);
      TLOG_TRY(core_.storage()->read(piece.offset, shown));
      const bool is_zero = all_zero(shown);
      auto logged = append(is_zero ? Operation::kZero : Operation::kWrite, piece.offset,
                           piece.length, is_zero ? ConstByteSpan() : shown, deadline,
                           /*held=*/true);
      if (!logged) return fail(logged.error());
    }
    offset += part;
    length -= part;
  }
  return {};
}

Result<std::vector<blocks::Extent>> DataPath::extents(std::uint64_t offset, std::uint64_t length) {
  TLOG_TRY(check_range("extents", offset, length));
  std::vector<Overlay::Piece> pieces;
  {
    MutexLock lock(core_.mutex());
    core_.overlay.lookup(offset, length, pieces);
  }
  std::vector<blocks::Extent> extents;
  auto add = [&](const blocks::Extent& extent) {
    if (!extents.empty() && extents.back().hole == extent.hole) {
      extents.back().length += extent.length;
    } else {
      extents.push_back(extent);
    }
  };
  for (const Overlay::Piece& piece : pieces) {
    if (piece.kind != Overlay::Kind::kNone) {
      add({piece.offset, piece.length, piece.kind == Overlay::Kind::kHole});
      continue;
    }
    TLOG_ASSIGN(std::vector<blocks::Extent> below,
                core_.storage()->extents(piece.offset, piece.length));
    for (const blocks::Extent& extent : below) add(extent);
  }
  return extents;
}

}  // namespace tlog::session
