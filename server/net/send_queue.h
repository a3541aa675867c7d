// File: server/net/send_queue.h
// What is to be sent, cut into records: pieces stay where their owner has them, and a send is done
// when the output that its last byte went into has been taken.
// Threading: one thread at a time.
#pragma once

#include <deque>
#include <vector>

#include "tlog/base/wipe.h"
#include "tlog/io/loop.h"

namespace tlog::net {

class SendQueue {
 public:
  void push(std::vector<ConstByteSpan> pieces, io::IoDone done);
  bool empty() const { return sends_.empty(); }
  bool has_more() const { return given_ < sends_.size(); }
  // The next bytes, at most `size_max`; valid until the next call. Empty: what was left are sends
  // of nothing. Bytes that fill a record by themselves are not copied.
  ConstByteSpan next_record(std::size_t size_max);
  // So much output there is, ever, with all that next_record() has given. What it gave last is
  // wiped, as far as it was a copy.
  void set_output_end(std::uint64_t output_end);
  // Of the first send, when so much output has been taken that it is done; else null.
  io::IoDone take_done(std::uint64_t output_taken);
  void fail_all(const Error& error);

 private:
  void forget_record();

  struct Send {
    std::vector<ConstByteSpan> pieces;
    io::IoDone done;
    std::uint64_t output_end = 0;
  };

  std::deque<Send> sends_;
  std::size_t given_ = 0;   // of sends_, from the front: their bytes are in the output
  std::size_t marked_ = 0;  // of those: their output_end is known
  std::size_t piece_ = 0;   // of the first that is not given: the pieces before it are
  std::size_t byte_ = 0;    // of that piece
  std::vector<std::byte, WipingAllocator<std::byte>> gathered_;
};

}  // namespace tlog::net
