#include "server/net/send_queue.h"

#include <algorithm>
#include <utility>

#include "tlog/base/wipe.h"

namespace tlog::net {

void SendQueue::push(std::vector<ConstByteSpan> pieces, io::IoDone done) {
  std::erase_if(pieces, [](ConstByteSpan piece) { return piece.empty(); });
  sends_.push_back({std::move(pieces), std::move(done)});
}

ConstByteSpan SendQueue::next_record(std::size_t size_max) {
  forget_record();
  while (given_ < sends_.size()) {
    const auto& pieces = sends_[given_].pieces;
    if (piece_ == pieces.size()) {
      ++given_;
      piece_ = 0;
      continue;
    }
    const ConstByteSpan rest = pieces[piece_].subspan(byte_);
    const std::size_t size = std::min(rest.size(), size_max - gathered_.size());
    if (size == 0) break;  // full
    byte_ += size;
    if (size == rest.size()) {
      ++piece_;
      byte_ = 0;
    }
    if (size == size_max) return rest.first(size);
    gathered_.insert(gathered_.end(), rest.begin(),
                     rest.begin() + static_cast<std::ptrdiff_t>(size));
  }
  return gathered_;
}

// A key may have been in it.
void SendQueue::forget_record() {
  wipe(gathered_);
  gathered_.clear();
}

void SendQueue::set_output_end(std::uint64_t output_end) {
  forget_record();
  for (; marked_ < given_; ++marked_) sends_[marked_].output_end = output_end;
}

io::IoDone SendQueue::take_done(std::uint64_t output_taken) {
  if (marked_ == 0 || sends_.front().output_end > output_taken) return nullptr;
  io::IoDone done = std::move(sends_.front().done);
  sends_.pop_front();
  --given_;
  --marked_;
  return done;
}

void SendQueue::fail_all(const Error& error) {
  const std::deque<Send> sends = std::exchange(sends_, {});
  given_ = 0;
  marked_ = 0;
  piece_ = 0;
  byte_ = 0;
  for (const Send& send : sends) send.done(fail(error));
}

}  // namespace tlog::net
