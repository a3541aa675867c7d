// The writer's segments: prepared ahead, made active, retired.
#include <fmt/format.h>

#include <algorithm>

#include "tlog/base/random.h"
#include "tlog/store/segment_writer.h"

namespace tlog::store {
namespace {

// A larger step would hold much of a small disk for a little log.
constexpr std::uint64_t kAllocationStep = 32 * kMiB;

}  // namespace

Result<SegmentWriter::Prepared> SegmentWriter::make_segment_file(std::uint64_t number) const {
  Prepared prepared;
  prepared.number = number;
  prepared.path = io::join_path(parts_.folder.path, segment_file_name(number));
  io::OpenOptions options{.write = true, .create = true, .exclusive = true, .direct = true};
  TLOG_ASSIGN(std::shared_ptr<io::File> file, parts_.files->open(prepared.path, options));
  prepared.file = std::move(file);
  // Only to make syncs cheaper; where it fails the writes themselves will say what is wrong.
  (void)prepared.file->preallocate(0, std::min(kAllocationStep, parts_.folder.segment_bytes));
  Status named = parts_.files->sync_directory(parts_.folder.path);
  if (named) return prepared;
  (void)parts_.files->remove(prepared.path);
  return fail(named.error());
}

void SegmentWriter::prepare_next() {
  if (std::exchange(preparing_, true)) return;
  // A number is never used twice: what a failed attempt left behind is not mistaken for the new
  // segment.
  parts_.worker->submit([this, number = next_number_++] {
    auto prepared = std::make_shared<Result<Prepared>>(make_segment_file(number));
    parts_.loop->post([this, prepared] { next_prepared(std::move(*prepared)); });
  });
}

void SegmentWriter::next_prepared(Result<Prepared> prepared) {
  preparing_ = false;
  if (prepared) {
    next_ = std::move(*prepared);
  } else if (!active_) {
    fail_waiting(prepared.error());
  }  // else: only ahead of need; tried again when the active segment is full
  consider();
}

void SegmentWriter::activate_next() {
  SegmentHeader header;
  header.vdisk = parts_.folder.vdisk;
  header.number = next_->number;
  do {
    header.salt = system_random().next_u64();
  } while (header.salt == 0);
  header.previous_number = last_number_;
  header.previous_end = last_number_ == 0 ? 0 : last_end_;
  header_block_ = encode_segment_header(header);
  active_ = std::make_shared<Segment>(std::move(header), next_->path);
  file_ = std::move(next_->file);
  next_.reset();
  fresh_ = true;
  end_ = kSegmentHeaderBytes;
  allocated_ = std::min(kAllocationStep, parts_.folder.segment_bytes);
  active_entries_ = 0;
  last_block_ = Buffer();
}

// After a batch: what the next ones will need, before they need it.
void SegmentWriter::keep_ahead() {
  std::uint64_t segment_bytes = parts_.folder.segment_bytes;
  if (!next_ && !preparing_ && !close_done_ && end_ > segment_bytes / 4 * 3) prepare_next();
  if (allocated_ >= segment_bytes || end_ + kAllocationStep / 2 < allocated_) return;
  std::uint64_t from = std::max(allocated_, end_);
  std::uint64_t step = std::min(kAllocationStep, segment_bytes - std::min(segment_bytes, from));
  allocated_ = from + step;
  if (step == 0) return;
  parts_.worker->submit([file = file_, from, step] { (void)file->preallocate(from, step); });
}

void SegmentWriter::retire_active() {
  last_number_ = active_->number();
  last_end_ = end_;
  seal_in_background(std::move(active_), std::move(file_));
  active_.reset();
  file_.reset();
}

void SegmentWriter::abandon_active() {
  if (!fresh_) return retire_active();
  remove_in_background(active_->path(), std::move(file_));
  active_.reset();
  file_.reset();
  header_block_ = Buffer();
  fresh_ = false;
}

void SegmentWriter::seal_in_background(std::shared_ptr<Segment> segment,
                                       std::shared_ptr<io::File> file) {
  SealOptions options;
  options.data_end = end_;
  options.last_sequence = durable_sequence_;
  parts_.worker->submit(
      [this, segment = std::move(segment), file = std::move(file), options]() mutable {
        file.reset();  // here: closing may block
        Status sealed = seal_segment(*parts_.files, *segment, options);
        parts_.reader->forget(segment->number());
        if (sealed) return;
        parts_.logger->warning(
            fmt::format("event=segment_not_sealed store=\"{}\" path={} reason=\"{}\"",
                        parts_.folder.name, segment->path(), sealed.error().message()));
      });
}

void SegmentWriter::remove_in_background(std::string path, std::shared_ptr<io::File> file) {
  parts_.worker->submit([this, path = std::move(path), file = std::move(file)]() mutable {
    file.reset();
    // One that stays is empty or has only what was reported as failed: the next opening passes it
    // over.
    (void)parts_.files->remove(path);
  });
}

}  // namespace tlog::store
