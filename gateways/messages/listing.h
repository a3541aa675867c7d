// Listing: the answer to GET /messages, made while it is sent, a piece of the log at a time: a log
// of any length costs no more memory than that.
// Threading: as gateway::HttpSource. The log is borrowed: it outlives the server's connections.
#pragma once

#include <atomic>
#include <string>

#include "gateways/http/exchange.h"
#include "gateways/messages/message_log.h"

namespace tlog::messages {

class Listing final : public gateway::HttpSource {
 public:
  struct Range {
    Sequence first = 1;
    Sequence last = 0;   // as far as the list goes; less than first: it is empty
    Sequence total = 0;  // there are here
  };
  Listing(MessageLog& log, const Range& range, const std::string& server_id);
  Result<std::size_t> fill(ByteSpan into) override;
  void cancel() override { cancelled_ = true; }

 private:
  Status more();

  MessageLog& log_;
  const Range range_;
  const std::string tail_;
  Sequence next_;
  bool is_first_ = true;
  bool ended_ = false;
  std::atomic<bool> cancelled_{false};
  std::string text_;  // made, not sent yet
  std::size_t sent_ = 0;
};

}  // namespace tlog::messages
