#include "gateways/cas/content_stream.h"

namespace tlog::cas {

Result<std::string> ContentStream::next() {
  for (; ahead_.size() < kAhead && next_ < index_.size(); ++next_) {
    ahead_.push_back(
        std::async(std::launch::async, [this, piece = next_] { return index_.content(piece); }));
  }
  Result<std::string> content = ahead_.front().get();
  ahead_.pop_front();
  ++at_;
  return content;
}

}  // namespace tlog::cas
