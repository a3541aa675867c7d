#include "gateways/messages/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "gateways/messages/json_text.h"

namespace tlog::messages {

Listing::Listing(MessageLog& log, const Range& range, const std::string& server_id)
    : log_(log),
      range_(range),
      tail_(fmt::format(R"(],"total":{},"server_role":"{}","server_id":{}}})", range.total,
                        role_name(log.role()), json_quoted(server_id)) +
            "\n"),
      next_(range.first),
      text_(R"({"messages":[)") {}

Result<std::size_t> Listing::fill(ByteSpan into) {
  if (sent_ == text_.size()) {
    if (ended_) return std::size_t{0};
    text_.clear();
    sent_ = 0;
    TLOG_TRY(more());
  }
  const std::size_t length = std::min(into.size(), text_.size() - sent_);
  std::memcpy(into.data(), text_.data() + sent_, length);
  sent_ += length;
  return length;
}

Status Listing::more() {
  while (text_.empty() && next_ <= range_.last) {
    if (cancelled_) return fail(Code::kShutdown, "list: the server stops");
    TLOG_ASSIGN(const Sequence reached,
                log_.read(next_, range_.last, [this](const Message& message) {
                  if (!is_first_) text_ += ',';
                  is_first_ = false;
                  text_ += message_json(message);
                }));
    next_ = reached + 1;
  }
  if (!text_.empty()) return {};
  text_ = tail_;
  ended_ = true;
  return {};
}

}  // namespace tlog::messages
