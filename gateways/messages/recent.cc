#include "gateways/messages/recent.h"

namespace tlog::messages {
namespace {

std::uint64_t cost_of(const Message& message) {
  return sizeof(Message) + message.text.size();
}

}  // namespace

void Recent::add(Message message, Sequence keep_above) {
  if (!messages_.empty() && message.id != end() + 1) clear();
  if (messages_.empty()) first_ = message.id;
  bytes_ += cost_of(message);
  messages_.push_back(std::move(message));
  while (bytes_ > bytes_max_ && messages_.size() > 1 && first_ <= keep_above) {
    bytes_ -= cost_of(messages_.front());
    messages_.pop_front();
    ++first_;
  }
}

void Recent::clear() {
  messages_.clear();
  bytes_ = 0;
}

}  // namespace tlog::messages
