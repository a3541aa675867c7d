// File: tlog/flush/tail.h
// The end of a log whose writer is gone: aggregations that can be read, but of which nobody knows
// whether they were committed. Before anything is appended behind them they are brought to the
// write quorum: otherwise the loss of stores that the log must bear could make a hole below what is
// committed later.
//
// Threading: not from the loop's thread: waits for the stores, until the deadline.
// Durability: success says that all of them are at the quorum.
#pragma once

#include <functional>
#include <memory>

#include "tlog/base/log.h"
#include "tlog/walk/log_place.h"

namespace tlog::flush {

struct TailPlace {
  std::shared_ptr<const walk::LogPlace> place;
  std::shared_ptr<const walk::LogPlace> read_place;  // the same, completed by what is hinted
  std::function<Epoch(AggregationNumber)> epoch_of;
  unsigned write_quorum = 0;
  Logger* logger = nullptr;
  std::uint64_t timeout_ns = 0;
};

Status secure_tail(const TailPlace& tail, AggregationNumber first, AggregationNumber last);

}  // namespace tlog::flush
