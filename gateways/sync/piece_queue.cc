#include "gateways/sync/piece_queue.h"

namespace tlog::logset {
namespace {

// Beside the one that is being pushed and the one that is being made.
constexpr std::size_t kPiecesMax = 2;

}  // namespace

Status PieceQueue::put(Piece piece) {
  MutexLock lock(mutex_);
  while (!closed_ && pieces_.size() >= kPiecesMax) changed_.wait(mutex_);
  if (closed_) return fail(Code::kShutdown, "sync: nobody takes it any more");
  pieces_.push_back(std::move(piece));
  changed_.notify_all();
  return {};
}

void PieceQueue::end() {
  MutexLock lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void PieceQueue::fail_with(Error error) {
  MutexLock lock(mutex_);
  error_ = std::move(error);
  changed_.notify_all();
}

Result<std::optional<Piece>> PieceQueue::take() {
  MutexLock lock(mutex_);
  while (pieces_.empty() && !ended_ && !error_) changed_.wait(mutex_);
  if (!pieces_.empty()) {
    std::optional<Piece> piece(std::move(pieces_.front()));
    pieces_.pop_front();
    changed_.notify_all();
    return piece;
  }
  if (error_) return fail(*error_);
  return std::optional<Piece>();
}

void PieceQueue::close() {
  MutexLock lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

}  // namespace tlog::logset
