// File: player/store_pile.h
// The shards in the stores of a cluster under one vdisk's name, as a pile: found by listing keys,
// with no help of the vdisk's metadata. See shard_pile.h.
#pragma once

#include <memory>

#include "player/shard_pile.h"
#include "player/source.h"

namespace tlog::player {

// Errors: kNotFound when no store has anything under this name, kUnavailable when none can be used.
Result<std::unique_ptr<ShardPile>> make_store_pile(const OpenStores& stores,
                                                   const std::string& cluster,
                                                   const std::string& vdisk);

// The vdisks of which a cluster's stores keep anything, by name, also those that the configuration
// does not know any more. Stores that cannot be used are left out.
Result<std::vector<std::string>> stored_vdisks(const config::Config& config,
                                               const std::string& cluster,
                                               const SourceEnvironment& environment);

}  // namespace tlog::player
