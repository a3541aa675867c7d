// File: player/shard_pile.h
// ShardPile: a heap of stored bytes of which some may be shards: the stores of a cluster
// (store_pile.h) or a folder of loose files (folder_pile.h). It knows places and names and reads
// bytes; what the bytes are, it does not say. In front of a scan (shard_survey.h).
//
// Threading: read() from any thread; the others from one thread. Errors: read(): kNotFound, or
// kInvalidArgument for what cannot be a shard by its length or beginning, or the operating system's
// and the stores' own.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tlog/format/metadata.h"
#include "tlog/shard/shard.h"
#include "tlog/store/store.h"

namespace tlog::player {

// Where something is: `where` tells the pile's parts from each other, `name` is unique in its part.
struct PileItem {
  std::uint32_t where = 0;
  std::string name;
};

// What an item should be by its name; `uuid` is nil where names do not tell it.
struct ExpectedShard {
  Uuid uuid;
  format::ShardKey key;
};

class ShardPile {
 public:
  virtual ~ShardPile() = default;

  // How many items next() will give, about: for progress.
  virtual std::uint64_t count() = 0;
  // The next at most `limit` items; none at the end. What cannot be listed is told by problems().
  virtual std::vector<PileItem> next(std::size_t limit) = 0;
  // `done` comes exactly once, on any thread.
  virtual void read(const PileItem& item, store::GetDone done) = 0;
  // Waits for the reads that are under way; none may come after it.
  virtual void stop() {}
  // Too much of this part failed: next() gives nothing more of it.
  virtual void give_up(std::uint32_t where, const std::string& reason) = 0;

  // The name under which a shard of this identity is kept in that part, unless it was misplaced.
  virtual std::string usual_name(std::uint32_t where, const shard::Identity& identity,
                                 unsigned index) const = 0;
  // Nothing when the name says nothing.
  virtual std::optional<ExpectedShard> expected(const PileItem& item) const = 0;
  // The vdisk's name as this part has it; "" when it has none.
  virtual const std::string& label(std::uint32_t where) const = 0;

  // How many shards of any one aggregation may be where this pile could not look.
  virtual unsigned unseen(const shard::Geometry& geometry) const = 0;
  virtual std::vector<std::string> problems() const = 0;  // parts that could not be read, and why
  virtual const std::string& name() const = 0;            // for messages
};

}  // namespace tlog::player
