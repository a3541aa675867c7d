// File: tlog/flush/remake.h
// The shards of an aggregation anew, from what was read of it: the same bytes as before, because
// sealed bytes are deterministic once k shards of them exist. Threading: pure.
#pragma once

#include <memory>

#include "tlog/shard/shard.h"
#include "tlog/walk/fetch.h"

namespace tlog::flush {

std::shared_ptr<const shard::ShardSet> remake_shards(const walk::LogPlace& place,
                                                     const walk::Fetched& fetched);

}  // namespace tlog::flush
