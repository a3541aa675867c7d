// File: tlog/walk/log_place.h
// LogPlace: which vdisk's log it is and which stores keep it, shared by all who read it at the same
// time. Threading: const after it was made, except for the marks of poor stores, which are atomics.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tlog/format/metadata.h"
#include "tlog/shard/shard.h"
#include "tlog/store/store.h"
#include "tlog/walk/log_reader.h"
#include "tlog/walk/quorum.h"

namespace tlog::walk {

struct LogPlace {
  // `keeper` owns what the stores need as long as the place is used; the stores are borrowed.
  LogPlace(const format::VdiskFormat& format, std::vector<store::Store*> all,
           std::shared_ptr<const void> keeper = nullptr)
      : owner(std::move(keeper)),
        vdisk(format.name),
        uuid(format.vdisk),
        geometry(geometry_of(format)),
        stores(std::move(all)),
        poor(stores.size()) {}

  store::Store& store_for(AggregationNumber number, unsigned index) const {
    return *stores[store_of(number, index, stores.size())];
  }

  const std::shared_ptr<const void> owner;
  const std::string vdisk;
  const Uuid uuid;
  const shard::Geometry geometry;
  const std::vector<store::Store*> stores;
  // The stores must not be used any more: no fetch goes on, whatever is answered to it still.
  mutable std::atomic<bool> closed{false};
  // Stores whose last answer was of no use: the others are asked first.
  mutable std::vector<std::atomic<bool>> poor;
};

}  // namespace tlog::walk
