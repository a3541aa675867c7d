// Recent: the newest messages of a log, in memory, so that who asks for news does not read the
// stores. Dense; bounded in bytes: the oldest go first.
//
// Threading: not synchronised; its owner's lock.
#pragma once

#include <deque>

#include "gateways/messages/message_log.h"

namespace tlog::messages {

class Recent {
 public:
  explicit Recent(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

  // Behind what is there, or else what is there is dropped first. Those above `keep_above` stay,
  // whatever they cost: nobody else has them yet.
  void add(Message message, Sequence keep_above = ~Sequence{0});
  void clear();
  bool has(Sequence id) const { return id >= first_ && id < first_ + messages_.size(); }
  Sequence end() const { return first_ + messages_.size() - 1; }  // the last, when there are any
  bool empty() const { return messages_.empty(); }
  const Message& at(Sequence id) const { return messages_[id - first_]; }

 private:
  const std::uint64_t bytes_max_;
  Sequence first_ = 1;
  std::deque<Message> messages_;
  std::uint64_t bytes_ = 0;
};

}  // namespace tlog::messages
