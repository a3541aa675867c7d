// File: tlog/flush/hints_file.h
// HintsFile: remembers across a crash which shards some stores still miss, and which they have
// wrong. It says: "every aggregation up to `complete` is on all its stores, except these". What
// comes after `complete` is looked up in the stores at the next opening, so that the file may lag
// behind and no commit waits for it. A wrong shard is told apart because looking it up would find
// it.
//
// Format (docs/format.md; little endian), two slots of kSlotBytes written in turn, the higher valid
// generation wins: "TLGHINT2", u64 generation, 16-byte vdisk uuid, u64 complete, u32 number of
// runs, u32 zero, runs of {u64 first, u64 last, u32 store index, u32 kind: 0 missing, 1 wrong}, u32
// CRC-32C of all before it. "TLGHINT1", without wrong ones, is still read.
//
// Threading: open() anywhere; save() on the loop's thread, one at a time. Durability: `done` says
// it is durable.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tlog/base/buffer.h"
#include "tlog/flush/number_set.h"
#include "tlog/io/loop.h"

namespace tlog::flush {

struct Hints {
  AggregationNumber complete = 0;
  std::vector<NumberSet> missing = {};  // per store
  std::vector<NumberSet> wrong = {};    // per store; what has no room is not remembered
};

class HintsFile {
 public:
  static constexpr std::size_t kSlotBytes = 64 * kKiB;

  // `found` is false for a new file, one of another vdisk, or one without a valid slot: then
  // nothing is known.
  static Result<std::unique_ptr<HintsFile>> open(io::FileSystem& files, const std::string& path,
                                                 const Uuid& vdisk, std::size_t stores);
  bool found() const { return found_; }
  const Hints& hints() const { return hints_; }

  void save(io::Loop& loop, const Hints& hints, io::IoDone done);

 private:
  HintsFile(std::unique_ptr<io::File> file, const Uuid& vdisk)
      : file_(std::move(file)), vdisk_(vdisk) {}
  Status load(std::size_t stores);
  void load_slot(ConstByteSpan slot, std::size_t stores);

  const std::unique_ptr<io::File> file_;
  const Uuid vdisk_;
  std::uint64_t generation_ = 0;
  bool found_ = false;
  Hints hints_;
  Buffer slot_;  // being written
};

}  // namespace tlog::flush
