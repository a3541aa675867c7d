// File: tlog/walk/quorum.h
// Quorums: on how many stores something must be before it counts, and what readers may conclude
// from what they do not find. The one place that knows these rules. Threading: pure.
#pragma once

#include <algorithm>
#include <cstddef>

#include "tlog/format/metadata.h"
#include "tlog/shard/shard.h"

namespace tlog::walk {

inline shard::Geometry geometry_of(const format::VdiskFormat& format) {
  return {.data = format.data_shards, .parity = format.parity_shards};
}

// How many stores must have an aggregation before it is committed, unless the vdisk's `writeQuorum`
// says otherwise.
inline unsigned usual_write_quorum(const shard::Geometry& geometry) {
  return std::min(geometry.total(), geometry.data + 1);
}
// `configured` 0: the usual one.
inline unsigned write_quorum(const shard::Geometry& geometry, unsigned configured) {
  return configured == 0 ? usual_write_quorum(geometry) : configured;
}
// What no writer can have gone below. For who does not know with which quorum a log was written.
inline unsigned least_write_quorum(const shard::Geometry& geometry) {
  return geometry.data;
}
// The quorum that aggregation `number` was, or would be, committed with: it is fixed when its epoch
// begins.
unsigned write_quorum_of(const format::Metadata& metadata, AggregationNumber number);

// On how many stores every generation of the metadata is, whatever its writer's quorum: a majority,
// and never fewer than shards. So n - this + 1 answers include the newest generation.
inline std::size_t least_metadata_quorum(std::size_t stores, const shard::Geometry& geometry) {
  return std::max<std::size_t>(stores / 2 + 1,
                               std::min<std::size_t>(stores, least_write_quorum(geometry)));
}
// How many stores a writer wants to have it before it counts: one more than the least, unless it
// may commit aggregations with fewer.
inline std::size_t metadata_quorum(std::size_t stores, const shard::Geometry& geometry,
                                   unsigned configured) {
  const unsigned wanted =
      std::min(usual_write_quorum(geometry), write_quorum(geometry, configured));
  return std::max<std::size_t>(stores / 2 + 1, std::min<std::size_t>(stores, wanted));
}

}  // namespace tlog::walk
