// File: tlog/walk/read_ahead.h
// ReadAhead: several aggregations on their way at once, handed out in the order in which they were
// asked for. Fetching runs on the loop, verifying, decoding and opening on the workers. What it
// holds is bounded by who starts them. Threading: start() and next() from one thread, which must be
// neither the loop's nor one of the workers. Errors: those of Fetch and of Sealer::open().
#pragma once

#include <deque>
#include <memory>

#include "tlog/io/workers.h"
#include "tlog/seal/sealer.h"
#include "tlog/walk/fetch.h"
#include "tlog/walk/log_reader.h"

namespace tlog::walk {

// An aggregation as it was found: opened, or why not.
struct Found {
  Result<Visited> visited;
  FetchCounts counts;
};

class ReadAhead {
 public:
  ReadAhead(std::shared_ptr<const LogPlace> place, const seal::Sealer& sealer,
            io::Workers& workers);
  ~ReadAhead();  // waits for what the workers are doing, not for the stores
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  void start(Epoch epoch, AggregationNumber number);
  std::size_t size() const { return slots_.size(); }
  Found next();  // of the oldest start(); waits, not for ever

 private:
  struct State;
  struct Slot;
  const std::shared_ptr<const LogPlace> place_;
  io::Workers& workers_;
  std::shared_ptr<State> state_;
  std::deque<std::shared_ptr<Slot>> slots_;
};

}  // namespace tlog::walk
