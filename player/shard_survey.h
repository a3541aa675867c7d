// File: player/shard_survey.h
// Reads everything of a pile once and finds out what it is: the first half of a recovery without
// metadata. Every byte is checked here, so that what the index names was intact, and is filed by
// what it says of itself, wherever it was found.
//
// Threading: one thread. Memory: a few shards at a time, and the indexes. Errors: kShutdown when
// stopped; kNotFound and kInvalidArgument from choose(), which list the vdisks that were found.
#pragma once

#include <atomic>
#include <map>
#include <set>

#include "player/progress.h"
#include "player/shard_index.h"
#include "player/shard_pile.h"

namespace tlog::player {

// Reads all items of a pile, several at once, and gives them to `visit` one by one, each as it was
// read. Memory: some 64 MiB of shards.
using PileVisitor = std::function<Status(const PileItem&, Result<Buffer>&)>;
struct PileReading {  // borrowed
  std::string title;
  Progress& progress;
  const std::atomic<bool>& stop;
};
Status read_pile(ShardPile& pile, const PileReading& how, const PileVisitor& visit);

struct SurveyedVdisk {
  std::set<std::string> labels;
  ShardIndex index;
};

struct ShardSurvey {
  std::map<Uuid, SurveyedVdisk> vdisks;
  std::vector<PileItem> odd;  // where misplaced shards really are
  std::uint64_t shards = 0;   // intact
  std::uint64_t bytes = 0;    // read
  std::uint64_t rotten = 0;   // shards by their place or beginning that are not intact
  std::uint64_t foreign = 0;  // not shards at all
  std::uint64_t unreadable = 0;
  std::string unreadable_why;  // of the first
  // Of all that is not intact or could not be read, by its name: it was stored once.
  struct Lost {
    Uuid uuid;  // nil: not known
    AggregationNumber number = 0;
    Epoch epoch = 0;
  };
  std::vector<Lost> lost;
  std::string newer;  // a shard of a newer version was met: its message
};

Result<ShardSurvey> survey_shards(ShardPile& pile, const PileReading& how);

// Which vdisk was meant: by uuid, by name, or because there is no other. `name`: a name, a uuid or
// "".
struct VdiskChoice {
  Uuid uuid;
  std::string name;  // "" when nothing tells it
};
Result<VdiskChoice> choose_vdisk(const ShardSurvey& survey, const ShardPile& pile,
                                 const std::string& name, const std::string& uuid);

}  // namespace tlog::player
