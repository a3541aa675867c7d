// File: tests/unit/server_net/net_fixture.h
// An acceptor and the channels of both ends, on one running loop of either kind.
// Threading: the test's thread drives; what arrives is kept under a lock and waited for with a
// bound.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/net/channel.h"
#include "tests/support/loopback.h"
#include "tests/support/process.h"
#include "tests/unit/io/loop_fixture.h"

namespace tlog::net {

using protocol::FrameType;
using ::tlog::testing::connect_to;
using ::tlog::testing::Descriptor;
using ::tlog::testing::Milliseconds;
using ::tlog::testing::wait_until;
constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr Milliseconds kPatience{20'000};

// Letters that tell a place from its neighbours.
std::string pattern(std::size_t size, unsigned seed = 1);
std::string text_of(ConstByteSpan bytes);
// Head and body, as they are sent.
std::string frame_text(FrameType type, const std::string& body);
void send_all(int descriptor, const std::string& text);
// What comes until the end of the connection, or until `size` bytes are there.
std::string receive_text(int descriptor, std::size_t size);

// One end of a connection, and what has come out of it.
class End {
 public:
  End(io::Loop& loop, std::unique_ptr<Channel> channel, const FrameLimits& limits);
  ~End();  // closes, on the loop

  // Bodies, in order; the type before each.
  std::vector<std::pair<FrameType, std::string>> frames();
  std::size_t count();
  std::optional<Error> closed();
  bool await_frames(std::size_t count);
  bool await_closed();
  // Waits until it has been sent.
  Status send(FrameType type, const std::string& body);
  void set_reading(bool on);
  // On the loop, with each frame, before it is counted.
  std::function<void(Channel&)> on_frame;

  Channel& channel() { return *channel_; }
  void start();  // on the loop
  void close();

 private:
  io::Loop& loop_;
  std::unique_ptr<Channel> channel_;
  std::mutex mutex_;
  std::vector<std::pair<FrameType, std::string>> frames_;
  std::optional<Error> closed_;
  int closings_ = 0;
};

// Keeps what is logged.
class KeptLog final : public Logger {
 public:
  void write(LogLevel, std::string_view line) override {
    std::lock_guard lock(mutex_);
    text_ += std::string(line) + "\n";
  }
  bool await(std::string_view part) {
    return wait_until(
        [&] {
          std::lock_guard lock(mutex_);
          return text_.find(part) != std::string::npos;
        },
        kPatience);
  }
  std::string text() {
    std::lock_guard lock(mutex_);
    return text_;
  }
  void forget() {
    std::lock_guard lock(mutex_);
    text_.clear();
  }

 private:
  std::mutex mutex_;
  std::string text_;
};

class NetTest : public io::LoopTest {
 protected:
  static constexpr FrameLimits kWide{.records_bytes_max = 16 * kMiB};

  void TearDown() override;
  // Accepted channels become ends, started; `before` may change them on the loop.
  void listen(AcceptorOptions options, std::function<void(End&)> before = nullptr);
  void listen_tcp() { listen({.address = "127.0.0.1:0"}); }
  Result<std::unique_ptr<End>> connect(std::shared_ptr<const Tls> tls = nullptr,
                                       std::uint64_t timeout_ns = 20 * kSecond) {
    return connect_to_address(address(), std::move(tls), timeout_ns);
  }
  Result<std::unique_ptr<End>> connect_to_address(const std::string& address,
                                                  std::shared_ptr<const Tls> tls,
                                                  std::uint64_t timeout_ns = 20 * kSecond);
  const std::string& address() const { return acceptor_->address(); }
  bool await_accepted(std::size_t count);
  // Many turns of the loop: who sends to a peer that does not read has come to a stand.
  void await_standstill();
  // A channel with a send under way, whose peer ends the connection and has not read; the sender
  // destroys its channel when it is told of the send, and hears nothing after that.
  void end_a_channel_in_its_failed_send(std::shared_ptr<const Tls> tls);
  End& accepted(std::size_t index);

  FrameLimits limits_ = kWide;  // of both ends
  KeptLog log_;
  std::unique_ptr<Acceptor> acceptor_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<End>> accepted_;
};

}  // namespace tlog::net
