// ContentStream: the contents of a log one after the other, several on their way at once.
// Threading: one thread. Memory: kAhead contents. Errors: those of LogIndex::content(); the stream
// ends with the first.
#pragma once

#include <deque>
#include <future>

#include "gateways/cas/log_index.h"

namespace tlog::cas {

class ContentStream {
 public:
  static constexpr std::size_t kAhead = 8;

  // Of the pieces from `first` up to the end that the index has now. Borrowed; it is not refreshed
  // while the stream is there.
  ContentStream(LogIndex& index, std::size_t first) : index_(index), next_(first), at_(first) {}

  bool is_over() const { return at_ == index_.size(); }
  std::size_t at() const { return at_; }  // the piece that next() gives
  Result<std::string> next();

 private:
  LogIndex& index_;
  std::size_t next_;
  std::size_t at_;
  std::deque<std::future<Result<std::string>>> ahead_;
};

}  // namespace tlog::cas
