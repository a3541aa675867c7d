// File: ctl/log_server_talk.h
// A connection to a tlogserver for a few questions (docs/protocol.md), of who writes nothing.
// Threading: one thread; waits, for the deadlines at most. Errors name the address.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "server/net/channel.h"
#include "server/protocol/message.h"
#include "tlog/base/mutex.h"

namespace tlog::ctl {

class LogServerTalk {
 public:
  // `tls`: null for plain.
  static Result<std::unique_ptr<LogServerTalk>> begin(const std::string& address,
                                                      std::shared_ptr<const net::Tls> tls,
                                                      std::uint64_t timeout_ms);
  ~LogServerTalk();
  LogServerTalk(const LogServerTalk&) = delete;
  LogServerTalk& operator=(const LogServerTalk&) = delete;

  bool is_private() const { return is_private_; }
  void say(const protocol::Message& message);
  // The next one that is no Progress. A Refusal or a Disconnect is an error with its reason.
  Result<protocol::Message> hear(std::uint64_t timeout_ms);

 private:
  explicit LogServerTalk(std::string address) : address_(std::move(address)) {}
  Status connect(std::shared_ptr<const net::Tls> tls, std::uint64_t timeout_ms);
  void arrived(Result<protocol::Message> message);

  const std::string address_;
  std::unique_ptr<io::Loop> loop_;
  std::unique_ptr<net::Channel> channel_;  // the loop's
  bool is_private_ = false;

  Mutex mutex_;
  CondVar changed_;
  std::deque<Result<protocol::Message>> heard_ GUARDED_BY(mutex_);
};

}  // namespace tlog::ctl
