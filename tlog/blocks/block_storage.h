// File: tlog/blocks/block_storage.h
// BlockStorage: a vdisk's current contents behind the overlay, without the log. Step 7 of a write's
// way.
//
// Threading: any thread. The caller (tlog/session) sees to it that writes to one range do not
// overlap in time. Durability: nothing before flush() has returned success; after a failed flush
// nothing may be assumed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tlog/base/types.h"
#include "tlog/io/file.h"
#include "tlog/store/stores.h"

namespace tlog::blocks {

struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  bool hole = false;  // not allocated, reads as zeros
};

// A part of a storage that has lost what it had confirmed: a server that was emptied, or restarted
// without its newest writes.
struct Lacking {
  std::size_t server = 0;
  std::string name;
  Sequence has = 0;     // it has the changes of all records up to this one
  Sequence wanted = 0;  // and needs them up to this one
};
// How one server of a storage does, for people.
struct PartStatus {
  store::StoreStatus server;  // usable: its blocks can be read
  Sequence has = 0;           // while it is refilled: it has the changes up to this one,
  Sequence wanted = 0;        // of those up to this one; 0: it lacks nothing
};
// The changes of records after `from` up to `upto`, to bring such a part up to date; those of other
// parts' blocks are left out by the storage itself. The ranges do not overlap.
struct RefillStep {
  struct Change {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    const std::byte* bytes = nullptr;  // null: zeros
  };
  std::size_t server = 0;
  std::vector<Change> changes;
  Sequence from = 0;  // where the step before has ended; of the first one Lacking::has
  Sequence upto = 0;
};

// How far one part of a storage that follows the log has come.
struct PartPosition {
  Sequence sequence = 0;  // it has the changes of all records up to this one
  Epoch epoch = 0;        // of the writer that brought them
  bool is_empty = false;  // it has nothing, and is to be begun with begin_refill()
  // What was said with the step that ended at or before `sequence`, see FollowStep; "": nothing.
  std::string chain;
};
// The changes of all records after `from` up to `upto`, for those parts that are at `from`.
struct FollowStep {
  std::vector<RefillStep::Change> changes;  // their ranges do not overlap
  std::vector<bool> parts;                  // which; of the others' blocks nothing is said
  Sequence from = 0;
  Sequence upto = 0;
  // Kept on each part with `upto`, in the same moment: which log it is that has brought it there.
  std::string chain;
};

class BlockStorage {
 public:
  virtual ~BlockStorage() = default;
  virtual Status read(std::uint64_t offset, ByteSpan into) = 0;
  virtual Status write(std::uint64_t offset, std::span<const ConstByteSpan> pieces) = 0;
  virtual Status discard(std::uint64_t offset,
                         std::uint64_t length) = 0;  // becomes a hole, reads as zeros
  virtual Status zero(std::uint64_t offset, std::uint64_t length) = 0;  // reads as zeros
  // The changes given since the last call are those of all records up to `upto`; a storage that
  // gathers them sends them now. Until then the bytes given to write() must stay valid, and the
  // ranges given must not overlap. After an error all of them are given again.
  virtual Status settle(Sequence upto) {
    (void)upto;
    return {};
  }
  // kUnavailable and kTimeout: nothing is lost, it may be tried again. Any other error is final.
  virtual Status flush() = 0;
  // Extents that cover [offset, offset + length), ascending, without gaps.
  virtual Result<std::vector<Extent>> extents(std::uint64_t offset, std::uint64_t length) = 0;
  // Parts that cannot be read or written until refill() has brought them up to what is wanted.
  virtual std::vector<Lacking> lacking() const { return {}; }
  // Once, and then a step after the other. kUnavailable also when the part has lost something
  // again, and is not where the step before has left it: begin again with what it is lacking().
  // What was brought there counts, also for the next opening.
  virtual Status begin_refill(const Lacking& part) {
    (void)part;
    return fail(Code::kNotSupported, "refill: " + name() + ": has no parts");
  }
  virtual Status refill(const RefillStep& step) {
    (void)step;
    return fail(Code::kNotSupported, "refill: " + name() + ": has no parts");
  }
  // Empties a part that has what is not the vdisk's, and begins its refilling with nothing.
  virtual Status start_over(std::size_t part) {
    (void)part;
    return fail(Code::kNotSupported, "start over: " + name() + ": has no parts");
  }
  // For a storage that follows the log instead of being applied to
  // (ClusterStorageOptions::follows). Per part its position, or why it is not known: kCorruption
  // when the part has what is not the vdisk's.
  virtual std::vector<Result<PartPosition>> positions() { return {}; }
  // Per part what has come of it; parts that were not asked for are well. kUnavailable also when a
  // part is not where the step goes on from: look at the positions() again.
  virtual std::vector<Status> follow(const FollowStep& step) {
    return std::vector<Status>(step.parts.size(),
                               fail(Code::kNotSupported, "follow: " + name() + ": has no parts"));
  }
  // From now on it is the vdisk's active one, and has everything up to `upto` (follow() has brought
  // all parts there).
  virtual void stop_following(Sequence upto) { (void)upto; }
  // Nothing more is asked of it: what is under way fails at once, kShutdown. Any thread.
  virtual void give_up() {}
  // Asks all its parts for a sign of life, so that parts() tells of one that nobody needs just now.
  // Does not wait.
  virtual void look_at_parts() {}
  // Its servers, in their order; none for a storage without.
  virtual std::vector<PartStatus> parts() const { return {}; }
  // Whether these servers, in their order, are the storage's own as far as they answer: an error
  // for one that is not and must not be moved to. Waits for the answers; not from the loop's
  // thread.
  virtual std::vector<Status> check_servers(const std::vector<store::RespStoreOptions>& servers) {
    return std::vector<Status>(servers.size());
  }
  // See Store::move_to(); as many as the storage was opened with, in their order. Nothing for a
  // storage without servers.
  virtual void move_to(const std::vector<store::RespStoreOptions>& servers) { (void)servers; }
  virtual std::uint64_t size() const = 0;
  virtual const std::string& name() const = 0;
};

struct FileStorageOptions {
  std::string path;
  std::uint64_t size = 0;
  Uuid vdisk{};  // kept with the file (extended attribute) where possible; another vdisk's file is
                 // refused
  bool create =
      false;  // a new vdisk: the file must not exist with contents; otherwise it must exist
  bool read_only = false;
};
// A sparse file, locked against a second process; discard punches holes.
Result<std::unique_ptr<BlockStorage>> open_file_storage(const FileStorageOptions& options,
                                                        io::FileSystem& files);

}  // namespace tlog::blocks
