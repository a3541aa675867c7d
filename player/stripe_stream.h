// File: player/stripe_stream.h
// StripeStream: a walk of one stripe's log, from the sequence that is wanted on, asked for one
// aggregation after the other: whoever puts stripes together goes by them in turn, and each reads
// ahead meanwhile. Every aggregation is verified by its own log's chain.
//
// Threading: one thread; the walk is on one of its own, and the reader is its until this ends.
// Memory: the walk's read-ahead, and kWaiting aggregations. Errors: those of LogReader::walk().
#pragma once

#include <deque>
#include <optional>

#include "tlog/base/mutex.h"
#include "tlog/io/workers.h"
#include "tlog/walk/log_reader.h"

namespace tlog::player {

class StripeStream {
 public:
  static constexpr std::size_t kWaiting = 4;

  // Begins with the aggregation that holds sequence `first`.
  StripeStream(walk::LogReader& reader, Sequence first, unsigned read_ahead);
  ~StripeStream();  // waits for what the walk is waiting for, not for its end

  // Nothing: the log's end. After that, and after an error, always the same.
  Result<std::optional<walk::Visited>> next();

 private:
  void run(Sequence first, unsigned read_ahead);
  Status walk(Sequence first, unsigned read_ahead);

  walk::LogReader& reader_;
  Mutex mutex_;
  CondVar changed_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::deque<walk::Visited> waiting_ GUARDED_BY(mutex_);
  std::optional<Status> ended_ GUARDED_BY(mutex_);
  io::Workers thread_;
};

}  // namespace tlog::player
