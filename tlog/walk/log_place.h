// File: tlog/walk/log_place.h
// LogPlace: which vdisk's log it is and which stores keep it, shared by all who read it at the same
// time, and perhaps still at it on some thread when the stores are to go: who calls one from
// another thread than the loop's, or later than at once, holds a Use.
// Threading: any; const after it was made, except for what is said of closing and for the marks of
// poor stores.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tlog/base/use_gate.h"
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

  // For who is just being answered by this store that it cannot say: because it was emptied. Later,
  // or when it has not answered, its state says nothing: what was emptied is filled again, and has
  // all that was put since. That a server was found wiped is remembered for a while without asking
  // it again (the back-off of its connection), and a writer may have filled it meanwhile; so it
  // counts only where no writer is left.
  bool answers_as_emptied(std::size_t store) const {
    const store::StoreState state = stores[store]->status().state;
    return state == store::StoreState::kRebuilding ||
           (state == store::StoreState::kWiped && !a_writer_may_fill);
  }

  const std::shared_ptr<const void> owner;
  const std::string vdisk;
  const Uuid uuid;
  const shard::Geometry geometry;
  const std::vector<store::Store*> stores;

  // Set before it is shared, by who reads without having closed the log for earlier writers.
  bool a_writer_may_fill = false;

  // While it is held, and true, the stores are there. Nothing may be waited for meanwhile.
  class Use : public UseGate::Use {
   public:
    explicit Use(const LogPlace& place) : UseGate::Use(place.gate_) {}
  };

  // From now on no fetch goes on, whatever is answered to it still. When it returns nobody is
  // calling a store, so that they may be destroyed. Not while this thread holds a Use.
  void close() const { gate_.close(); }
  bool closed() const { return gate_.closed(); }

  // Stores whose last answer was of no use: the others are asked first.
  mutable std::vector<std::atomic<bool>> poor;

 private:
  UseGate gate_;
};

}  // namespace tlog::walk
