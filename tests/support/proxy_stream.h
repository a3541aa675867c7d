// File: tests/support/proxy_stream.h
// ProxyStream: one direction of one of FaultProxy's connections: what has come from one side and is
// to go to the other, late, slowly, in pieces, or changed. Threading: the proxy's thread.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "tests/support/fault_proxy.h"
#include "tests/support/resp_framing.h"

namespace tlog::testing {

using ProxyClock = std::chrono::steady_clock;

// What all streams of a proxy share.
struct ProxyState {
  ProxySpeech speech = ProxySpeech::kRedis;
  Faults faults;
  std::optional<MessageFault> armed;
  ProxyCounts counts;
  std::map<std::string, std::uint64_t> commands;
};

class ProxyStream {
 public:
  // `asked`: the commands that have gone to the server and are not answered yet.
  ProxyStream(ProxyState& state, bool of_replies, std::deque<std::string>& asked)
      : state_(state), of_replies_(of_replies), asked_(asked) {}

  void take(std::string_view bytes);
  void source_ended() { ended_ = true; }
  // Sends a part of what is due; false when the receiver is gone.
  bool send_some(int descriptor);

  bool wants_more() const;
  bool wants_to_send() const { return next_time() <= ProxyClock::now(); }
  // When there will be something to send: max() for never.
  ProxyClock::time_point next_time() const;
  // Nothing more will be sent.
  bool finished() const { return ended_ && queue_.empty(); }

 private:
  struct Chunk {
    ProxyClock::time_point due;
    std::string bytes;
  };
  void take_part(std::string& passed, std::string_view part);
  void begin_message();
  void end_message(std::string& passed);
  void apply_fault(std::string& passed);
  std::string command_name() const;

  ProxyState& state_;
  const bool of_replies_;
  std::deque<std::string>& asked_;
  RespFraming framing_{2, 64};
  bool begun_ = false;                 // it is known which command the current message belongs to
  std::optional<MessageFault> fault_;  // of the current message
  std::string held_;                   // of the current message, not passed yet
  std::uint64_t passed_of_message_ = 0;

  std::deque<Chunk> queue_;
  std::size_t sent_of_first_ = 0;
  std::size_t queued_bytes_ = 0;
  ProxyClock::time_point link_free_{};  // when the link has carried what was sent
  bool ended_ = false;
};

}  // namespace tlog::testing
