// PieceQueue: pieces from the thread that pulls to the one that pushes, a bounded number of them on
// the way.
// Threading: one thread puts, one takes; put_error() and close() from these.
// Errors: kShutdown for who puts when nobody takes any more; for who takes the error of who puts,
// once all that came whole before it has been taken.
#pragma once

#include <deque>
#include <optional>

#include "gateways/sync/pieces.h"
#include "tlog/base/mutex.h"

namespace tlog::logset {

class PieceQueue {
 public:
  Status put(Piece piece) EXCLUDES(mutex_);  // waits for room
  void end() EXCLUDES(mutex_);               // nothing more comes
  void fail_with(Error error) EXCLUDES(mutex_);

  // Waits; nothing: the end.
  Result<std::optional<Piece>> take() EXCLUDES(mutex_);
  void close() EXCLUDES(mutex_);  // nothing more is taken

 private:
  Mutex mutex_;
  CondVar changed_;
  std::deque<Piece> pieces_ GUARDED_BY(mutex_);
  bool ended_ GUARDED_BY(mutex_) = false;
  bool closed_ GUARDED_BY(mutex_) = false;
  std::optional<Error> error_ GUARDED_BY(mutex_);
};

}  // namespace tlog::logset
