#include "tlog/flush/scrub_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "tlog/base/crc32c.h"

namespace tlog::flush {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is written as the memory is");

constexpr std::uint64_t kScrubMagic = 0x3142524353474c54;  // "TLGSCRB1"

using Found = std::array<std::uint64_t, 4>;
struct Pass {
  std::uint64_t since = 0;
  std::uint64_t began = 0;
  std::uint64_t done = 0;
  Found found{};
  std::uint64_t finished = 0;
  Found last{};
};
struct Body {
  std::uint64_t magic = kScrubMagic;
  std::uint64_t generation = 0;
  Uuid vdisk;
  Pass light;
  Pass deep;
};
static_assert(sizeof(Body) + sizeof(std::uint32_t) == ScrubFile::kUsedBytes);

Found fields_of(const ScrubFound& found) {
  return {found.missing, found.wrong, found.unreachable, found.mended};
}
ScrubFound found_of(const Found& fields) {
  return {.missing = fields[0], .wrong = fields[1], .unreachable = fields[2], .mended = fields[3]};
}

Pass fields_of(const ScrubPass& pass) {
  return {.since = pass.since,
          .began = pass.began,
          .done = pass.done,
          .found = fields_of(pass.found),
          .finished = pass.finished,
          .last = fields_of(pass.last)};
}
ScrubPass pass_of(const Pass& fields) {
  return {.since = fields.since,
          .began = fields.began,
          .done = fields.done,
          .found = found_of(fields.found),
          .finished = fields.finished,
          .last = found_of(fields.last)};
}

bool is_empty(ConstByteSpan bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

ScrubFile::Slot ScrubFile::encode(const Content& content) {
  const Body body{.generation = content.generation,
                  .vdisk = content.vdisk,
                  .light = fields_of(content.record.light),
                  .deep = fields_of(content.record.deep)};
  Slot slot{};
  std::memcpy(slot.data(), &body, sizeof(body));
  const std::uint32_t checksum = crc32c(ConstByteSpan(slot).first(sizeof(body)));
  std::memcpy(slot.data() + sizeof(body), &checksum, sizeof(checksum));
  return slot;
}

std::optional<ScrubFile::Content> ScrubFile::decode(ConstByteSpan slot) {
  if (slot.size() < kUsedBytes) return std::nullopt;
  Body body;
  std::uint32_t checksum = 0;
  std::memcpy(&body, slot.data(), sizeof(body));
  std::memcpy(&checksum, slot.data() + sizeof(body), sizeof(checksum));
  if (body.magic != kScrubMagic || checksum != crc32c(slot.first(sizeof(body))))
    return std::nullopt;
  return Content{.generation = body.generation,
                 .vdisk = body.vdisk,
                 .record = {.light = pass_of(body.light), .deep = pass_of(body.deep)}};
}

ScrubRecord ScrubFile::load() {
  auto record = read();
  if (record) return *record;
  trouble_ = record.error().message();
  replace_ = true;
  file_.reset();
  return {};
}

Result<ScrubRecord> ScrubFile::read() {
  auto opened = files_.open(path_, {.write = true});
  if (!opened && opened.error().code() == Code::kNotFound) return ScrubRecord{};
  if (!opened) return fail(opened.error());
  file_ = std::move(*opened);
  std::optional<Content> newest;
  bool has_damage = false;
  for (std::uint64_t number = 0; number < 2; ++number) {
    Slot slot{};
    TLOG_ASSIGN(const std::size_t length, file_->read(number * kSlotBytes, ByteSpan(slot)));
    const ConstByteSpan bytes = ConstByteSpan(slot).first(length);
    auto content = decode(bytes);
    has_damage = has_damage || (!content && !is_empty(bytes));
    if (content && (!newest || content->generation > newest->generation)) newest = content;
  }
  if (!newest && has_damage) {
    return fail(Code::kCorruption,
                fmt::format("read: {}: is damaged, or of a newer version", path_));
  }
  if (!newest) return ScrubRecord{};
  if (newest->vdisk != vdisk_) {
    return fail(Code::kCorruption, fmt::format("read: {}: is of another vdisk (uuid {})", path_,
                                               newest->vdisk.text()));
  }
  generation_ = newest->generation;
  return newest->record;
}

Status ScrubFile::save(const ScrubRecord& record) {
  if (!file_) {
    // Its slots might count more than new ones.
    if (replace_) (void)files_.remove(path_);
    replace_ = false;
    TLOG_ASSIGN(file_, files_.open(path_, {.write = true, .create = true}));
    TLOG_TRY(files_.sync_directory(io::parent_path(path_)));
  }
  const std::uint64_t generation = generation_ + 1;
  const Slot slot = encode({.generation = generation, .vdisk = vdisk_, .record = record});
  Status saved = file_->write((generation % 2) * kSlotBytes, ConstByteSpan(slot));
  if (saved) saved = file_->sync_data();
  if (saved) {
    generation_ = generation;
  } else {
    // Nobody knows what this slot has now. The next saving opens the file anew and writes the same
    // one: the other has what was saved last.
    file_.reset();
  }
  return saved;
}

}  // namespace tlog::flush
