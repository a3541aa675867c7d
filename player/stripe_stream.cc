#include "player/stripe_stream.h"

#include <utility>

namespace tlog::player {

StripeStream::StripeStream(walk::LogReader& reader, Sequence first, unsigned read_ahead)
    : reader_(reader) {
  thread_.start(1, "tlogplay-stripe");
  thread_.submit([this, first, read_ahead] { run(first, read_ahead); });
}

StripeStream::~StripeStream() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.stop();
}

void StripeStream::run(Sequence first, unsigned read_ahead) {
  Status walked = walk(first, read_ahead);
  MutexLock lock(mutex_);
  ended_ = std::move(walked);
  changed_.notify_all();
}

Status StripeStream::walk(Sequence first, unsigned read_ahead) {
  walk::WalkOptions how;
  how.read_ahead = read_ahead;
  if (first > 1) {
    TLOG_ASSIGN(how.first, reader_.find_sequence(first));
  }
  return reader_.walk(how, [this](walk::Visited& visited) -> Result<bool> {
    MutexLock lock(mutex_);
    while (!stopping_ && waiting_.size() >= kWaiting) changed_.wait(mutex_);
    if (stopping_) return false;
    waiting_.push_back(std::move(visited));
    changed_.notify_all();
    return true;
  });
}

Result<std::optional<walk::Visited>> StripeStream::next() {
  MutexLock lock(mutex_);
  while (waiting_.empty() && !ended_) changed_.wait(mutex_);
  if (waiting_.empty()) {
    if (!*ended_) return fail(ended_->error());
    return std::optional<walk::Visited>();
  }
  std::optional<walk::Visited> visited(std::move(waiting_.front()));
  waiting_.pop_front();
  changed_.notify_all();
  return visited;
}

}  // namespace tlog::player
