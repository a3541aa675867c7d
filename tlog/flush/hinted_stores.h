// File: tlog/flush/hinted_stores.h
// HintedStores: a log's stores for reading, completed by the shards that they have missed and that
// are kept beside the journal (HintedShards). Who reads the log through these can read what the
// stores alone could not give back. Never used for what asks whether a store HAS a shard.
//
// Threading: as Store. Lifetime: a reader's request may outlive it, and outlive the stores: these
// may go when close() has returned, and then such a request ends with kShutdown.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tlog/base/use_gate.h"
#include "tlog/flush/hinted_shards.h"
#include "tlog/store/store.h"

namespace tlog::flush {

class HintedStores {
 public:
  // `stores` are borrowed, in the log's order. Without `shards` they are used as they are.
  HintedStores(std::string vdisk, const std::vector<store::Store*>& stores, io::Loop& loop,
               std::shared_ptr<HintedShards> shards);
  ~HintedStores();  // closes it
  HintedStores(const HintedStores&) = delete;
  HintedStores& operator=(const HintedStores&) = delete;

  const std::vector<store::Store*>& stores() const { return reading_; }
  // When it returns none of the stores is called by a request that was made here, nor will be.
  // Not from within a call of one of them.
  void close();

 private:
  class Completed;
  const std::shared_ptr<const UseGate> gate_ = std::make_shared<const UseGate>();
  std::vector<std::unique_ptr<Completed>> completed_;
  std::vector<store::Store*> reading_;
};

}  // namespace tlog::flush
