// File: player/found_store.h
// FoundStore: shards that a scan has found, wherever they are, as one of the k+m stores that the
// log reader expects. So a log without metadata is read by the same reader, with the same checks,
// as any other; the metadata it asks for is what the recovery has concluded. Changes nothing.
//
// Threading: any thread. What `find` answers must stay valid; pile and index outlive the store.
#pragma once

#include <functional>
#include <memory>

#include "player/shard_index.h"
#include "player/shard_pile.h"
#include "tlog/store/store.h"

namespace tlog::player {

// The shard `index` of an aggregation; null when none was found.
using FindShard = std::function<const FoundShard*(const format::ShardKey& of, unsigned index)>;

struct FoundStoreParts {  // borrowed
  ShardPile* pile = nullptr;
  const std::vector<PileItem>* odd = nullptr;
  io::Loop* loop = nullptr;
  Uuid uuid;
  std::string vdisk;
  shard::Geometry geometry;
  std::shared_ptr<const Buffer> metadata;  // null: none
};

// All of them, in the reader's order.
std::vector<std::unique_ptr<store::Store>> make_found_stores(const FoundStoreParts& parts,
                                                             const FindShard& find);

}  // namespace tlog::player
