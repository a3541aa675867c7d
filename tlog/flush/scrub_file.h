// File: tlog/flush/scrub_file.h
// ScrubFile: remembers across a restart when a vdisk's log was last scrubbed in the background,
// what that has found, and how far the scrubs under way have come. Beside the hints file; format in
// docs/format.md.
//
// Nothing depends on it but how often shards are looked at: what cannot be read is begun anew.
//
// Threading: one thread at a time. Durability: what save() has returned success for is read by the
// next load(); one that is interrupted leaves the one before. Errors: of save(), those of the file.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "tlog/base/result.h"
#include "tlog/base/types.h"
#include "tlog/io/file.h"

namespace tlog::flush {

struct ScrubFound {  // shards
  std::uint64_t missing = 0;
  std::uint64_t wrong = 0;
  std::uint64_t unreachable = 0;  // nothing is known of them
  std::uint64_t mended = 0;       // of the missing and the wrong ones
  friend bool operator==(const ScrubFound&, const ScrubFound&) = default;
};

// Going once through the whole log, perhaps with interruptions. Times are wall clock.
struct ScrubPass {
  TimestampNs since = 0;       // from when the time to the next one counts; 0: not yet known
  TimestampNs began = 0;       // the one under way; 0: none is
  AggregationNumber done = 0;  // of the one under way: everything up to it is settled
  ScrubFound found = {};       // by the one under way, up to `done`
  TimestampNs finished = 0;    // the last one; 0: never
  ScrubFound last = {};        // by the last one
  friend bool operator==(const ScrubPass&, const ScrubPass&) = default;
};

struct ScrubRecord {
  ScrubPass light = {};
  ScrubPass deep = {};
  ScrubPass& of(bool is_deep) { return is_deep ? deep : light; }
  const ScrubPass& of(bool is_deep) const { return is_deep ? deep : light; }
  friend bool operator==(const ScrubRecord&, const ScrubRecord&) = default;
};

class ScrubFile {
 public:
  static constexpr std::uint64_t kSlotBytes = 4096;
  static constexpr std::size_t kUsedBytes = 228;
  using Slot = std::array<std::byte, kUsedBytes>;
  struct Content {
    std::uint64_t generation = 0;
    Uuid vdisk;
    ScrubRecord record;
  };
  static Slot encode(const Content& content);
  static std::optional<Content> decode(ConstByteSpan slot);  // nothing when it is not whole

  ScrubFile(io::FileSystem& files, std::string path, const Uuid& vdisk)
      : files_(files), path_(std::move(path)), vdisk_(vdisk) {}

  // What was saved last; empty when nothing was, or nothing of this vdisk that can be read: then
  // trouble() says why.
  ScrubRecord load();
  const std::string& trouble() const { return trouble_; }
  Status save(const ScrubRecord& record);

 private:
  Result<ScrubRecord> read();

  io::FileSystem& files_;
  const std::string path_;
  const Uuid vdisk_;
  std::unique_ptr<io::File> file_;  // once there is one
  std::uint64_t generation_ = 0;
  bool replace_ = false;  // what is there cannot be read
  std::string trouble_;
};

}  // namespace tlog::flush
