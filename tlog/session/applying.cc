#include "tlog/session/applying.h"

#include <fmt/format.h>

#include <algorithm>

namespace tlog::session {
namespace {

// A larger batch absorbs more rewrites of the same blocks and goes through the storage in longer
// sweeps.
constexpr std::uint64_t kBatchBytesWanted = 8 * kMiB;
constexpr std::uint64_t kBatchBytesMax = 16 * kMiB;
constexpr std::size_t kBatchRecordsMax = 16384;
constexpr std::size_t kPiecesPerWrite = 256;  // pieces joined to one scattered write
constexpr std::size_t kForgottenAtOnce = 64;  // extents removed per hold of the lock
constexpr std::uint64_t kApplyAgainNs = 1'000'000'000;

}  // namespace

// A good batch, or whatever there is when a quiet moment has come or somebody waits for room.
bool Applying::due() const {
  if (core_.state == State::kFailed || core_.apply_held || core_.durable.value() < core_.next_apply)
    return false;
  if (core_.apply_blocked && core_.clock.monotonic_ns() < core_.apply_retry_ns) return false;
  return core_.draining || core_.apply_now || core_.waiting_for_room != 0 ||
         core_.journal->durable() - core_.position_of(core_.next_apply) >= kBatchBytesWanted;
}

bool Applying::take(Batch& batch) {
  MutexLock lock(core_.mutex());
  if (!due()) return false;
  const Sequence durable_end = core_.durable.value() + 1;
  batch.storage = core_.storage();
  batch.first = core_.next_apply;
  batch.begin = core_.entry(batch.first).position;
  Sequence s = batch.first;
  for (; s < durable_end && batch.entries.size() < kBatchRecordsMax; ++s) {
    const journal::Entry& entry = core_.entry(s);
    if (entry.end() - batch.begin > kBatchBytesMax && !batch.entries.empty()) break;
    batch.entries.push_back(entry);
  }
  batch.end = s;
  if (batch.end == durable_end) core_.apply_now = false;
  batch.memory = core_.journal->in_arena(batch.begin);
  if (batch.memory != nullptr) {
    core_.journal->pin(batch.begin);
    batch.pinned = true;
  }
  return true;
}

// Neighbours in the vdisk become one write.
Status Applying::write_out(const Batch& batch, const std::vector<Overlay::Piece>& newest) {
  std::vector<ConstByteSpan> run;
  std::uint64_t run_offset = 0;
  std::uint64_t run_end = 0;
  auto write_run = [&]() -> Status {
    if (run.empty()) return {};
    Status done = batch.storage->write(run_offset, run);
    run.clear();
    return done;
  };
  for (const Overlay::Piece& piece : newest) {
    if (piece.kind != Overlay::Kind::kData) {
      TLOG_TRY(write_run());
      bool hole = piece.kind == Overlay::Kind::kHole;
      TLOG_TRY(hole ? batch.storage->discard(piece.offset, piece.length)
                    : batch.storage->zero(piece.offset, piece.length));
      continue;
    }
    if (run.empty() || piece.offset != run_end || run.size() >= kPiecesPerWrite) {
      TLOG_TRY(write_run());
      run_offset = piece.offset;
    }
    run.push_back({batch.bytes(piece.position), piece.length});
    run_end = piece.end();
  }
  TLOG_TRY(write_run());
  return batch.storage->settle(batch.end - 1);
}

void Applying::forget_applied(const Batch& batch, const std::vector<Overlay::Piece>& newest) {
  for (std::size_t i = 0; i < newest.size(); i += kForgottenAtOnce) {
    std::size_t end = std::min(i + kForgottenAtOnce, newest.size());
    MutexLock lock(core_.mutex());
    if (core_.storage() != batch.storage) return;
    for (std::size_t j = i; j < end; ++j) {
      core_.overlay.remove_applied(newest[j].offset, newest[j].length, batch.end - 1);
    }
  }
}

void Applying::note_failure(const Error& error) {
  core_.logger.error(fmt::format("event=apply_failed vdisk={} reason=\"{}\" next=\"tried again\"",
                                 core_.config.name, error.message()));
  MutexLock lock(core_.mutex());
  core_.apply_blocked = true;
  core_.apply_retry_ns = core_.clock.monotonic_ns() + kApplyAgainNs;
  core_.apply_now = true;  // take() may have cleared it
  core_.reason = error.message();
  core_.room.notify_all();
}

bool Applying::step() {
  Batch batch;
  if (!take(batch)) return false;
  if (!batch.pinned) {
    Result<Buffer> read_back = core_.read_back(batch.entries);
    if (!read_back) {
      core_.fail_for_good(read_back.error().message());
      return false;
    }
    batch.read_back = std::move(*read_back);
    batch.memory = batch.read_back.data();
  }
  Overlay laid_over;
  for (std::size_t i = 0; i < batch.entries.size(); ++i) {
    const journal::Entry& entry = batch.entries[i];
    Overlay::Kind kind = overlay_kind(entry.operation);
    if (kind == Overlay::Kind::kNone) continue;
    laid_over.insert(entry.offset, entry.size, kind, entry.data_position(), batch.first + i);
  }
  const std::vector<Overlay::Piece> newest = laid_over.all();
  Status done = write_out(batch, newest);
  if (done) forget_applied(batch, newest);
  {
    MutexLock lock(core_.mutex());
    if (batch.pinned) core_.journal->unpin(batch.begin);
    if (core_.storage() != batch.storage) return true;  // the new one gets it, if it is to have it
    if (done) {
      core_.next_apply = batch.end;
      if (core_.apply_blocked) core_.reason.clear();
      core_.apply_blocked = false;
    }
    if (core_.waiting_for_room != 0) core_.room.notify_all();
    if (done) core_.work_changed();
  }
  if (done) {
    core_.applied.advance(batch.end - 1);
    return true;
  }
  note_failure(done.error());
  retry_later(kApplyAgainNs);
  return false;
}

}  // namespace tlog::session
