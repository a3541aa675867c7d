// File: tlog/flush/hinted_shards.h
// HintedShards: the bytes of shards that a store has missed, in a bounded file beside the journal,
// when they have no room in memory any more. Until they were stored they are as good as the
// missing store: with them, and only with them, m other stores may be lost meanwhile.
//
// The file is shards, the same bytes as in a store, each at a multiple of kBlockAlignment; what is
// there says itself what it is and carries its checksum, and what is between means nothing. So a
// crash at any moment leaves whole shards or nothing, and a shard that was forgotten and is still
// in the file is right all the same: a key has one value for ever.
//
// Threading: open() anywhere; the rest on the loop's thread, except where a member says otherwise.
// Durability: `done` of keep() says that they are durable. Errors: after a write or sync that
// failed nothing is kept any more; what was kept is still read, and checked.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tlog/base/buffer.h"
#include "tlog/flush/lanes.h"
#include "tlog/io/loop.h"
#include "tlog/shard/shard.h"

namespace tlog::flush {

class HintedShards : public std::enable_shared_from_this<HintedShards> {
 public:
  struct Name {
    AggregationNumber number = 0;
    Epoch epoch = 0;
    unsigned index = 0;
    friend auto operator<=>(const Name&, const Name&) = default;
  };
  struct Parts {  // borrowed where it is a pointer
    io::FileSystem* files = nullptr;
    io::Loop* loop = nullptr;
    std::string path;
    Uuid vdisk;
    shard::Geometry geometry;
    std::uint64_t bytes_max = 0;  // of the file; 0: nothing is kept
  };
  // Finds what the last writer left behind: reads the whole file, which is empty as a rule.
  static Result<std::shared_ptr<HintedShards>> open(Parts parts);

  std::vector<Name> names() const;
  bool has(const Name& name) const { return kept_.contains(name); }
  std::uint64_t length(const Name& name) const;  // 0 when it is not there
  // Any thread:
  bool empty() const { return bytes_.load() == 0; }
  std::uint64_t bytes() const { return bytes_.load(); }  // of the file, in use

  bool busy() const { return writing_; }
  bool writable() const { return writable_ && !writing_ && !emptying_; }
  // There is room, and it could be written.
  bool takes(std::uint64_t shard_bytes) const;

  struct Given {
    std::shared_ptr<const PutItem> item;
    unsigned index = 0;
  };
  // Keeps those for which there is room. REQUIRES writable().
  void keep(const std::vector<Given>& shards, std::function<void(Status)> done);
  // The stored bytes, verified. kNotFound, kCorruption.
  void read(const Name& name, std::function<void(Result<Buffer>)> done);
  // The store has it.
  void forget(const Name& name);
  // Gives the disk its room back when nothing is kept. Where `run` puts it, because it may block.
  void give_back(const std::function<void(std::function<void()>)>& run);

 private:
  struct Place {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
  };
  struct Batch;
  explicit HintedShards(Parts parts) : parts_(std::move(parts)) {}
  Status scan();
  Result<std::uint64_t> take_up(std::uint64_t offset, std::uint64_t file_size);
  Status check(const Name& name, ConstByteSpan stored) const;
  std::uint64_t allocate(std::uint64_t length);
  void free(const Place& place);
  void written(const std::shared_ptr<Batch>& batch, const Status& status);
  void ended(const std::shared_ptr<Batch>& batch);

  const Parts parts_;
  std::shared_ptr<io::File> file_;
  std::map<Name, Place> kept_;
  std::map<std::uint64_t, std::uint64_t> free_;  // offset -> length, both aligned, never adjacent
  std::uint64_t file_end_ = 0;                   // behind the last byte that was ever written
  bool writable_ = true;
  bool writing_ = false;
  bool emptying_ = false;
  std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace tlog::flush
