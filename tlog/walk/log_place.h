// File: tlog/walk/log_place.h
// LogPlace: which vdisk's log it is and which stores keep it, shared by all who read it at the same
// time. Threading: const after it was made, except for the marks of poor stores, which are atomics.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tlog/format/metadata.h"
#include "tlog/shard/shard.h"
#include "tlog/store/store.h"
#include "tlog/walk/log_reader.h"

namespace tlog::walk {

// How many stores must have an aggregation before it is committed.
inline unsigned write_quorum(const shard::Geometry& geometry) {
  return std::min(geometry.total(), geometry.data + 1);
}
// How many stores must have a generation of the metadata before it counts: a majority, and never
// fewer than shards.
inline std::size_t metadata_quorum(std::size_t stores, const shard::Geometry& geometry) {
  return std::max<std::size_t>(stores / 2 + 1,
                               std::min<std::size_t>(stores, write_quorum(geometry)));
}
inline shard::Geometry geometry_of(const format::VdiskFormat& format) {
  return {.data = format.data_shards, .parity = format.parity_shards};
}

struct LogPlace {
  LogPlace(const format::VdiskFormat& format, std::vector<store::Store*> all)
      : vdisk(format.name),
        uuid(format.vdisk),
        geometry(geometry_of(format)),
        stores(std::move(all)),
        poor(stores.size()) {}

  store::Store& store_for(AggregationNumber number, unsigned index) const {
    return *stores[store_of(number, index, stores.size())];
  }

  const std::string vdisk;
  const Uuid uuid;
  const shard::Geometry geometry;
  const std::vector<store::Store*> stores;
  // Stores whose last answer was of no use: the others are asked first.
  mutable std::vector<std::atomic<bool>> poor;
};

}  // namespace tlog::walk
