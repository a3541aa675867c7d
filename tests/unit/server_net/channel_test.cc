// Frames over plain connections. What must not happen: a frame lost, torn or delivered while nobody
// reads; memory taken for what a peer merely announces or does not read; a connection that is
// trusted after it was wrong.
#include <sys/socket.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/unit/server_net/net_fixture.h"

namespace tlog::net {
namespace {

class ChannelTest : public NetTest {};
TLOG_BOTH_LOOPS(ChannelTest);

using Frames = std::vector<std::pair<FrameType, std::string>>;

TEST_P(ChannelTest, FramesOfAllSizesBothWays) {
  listen_tcp();
  auto client = connect();
  ASSERT_TRUE(client) << client.error().message();
  ASSERT_TRUE(await_accepted(1));
  Frames sent;
  unsigned seed = 0;
  for (std::size_t size : {0, 1, 15, 16, 17, 4096, 65'519, 65'520, 65'536, 262'144, 3'000'000}) {
    const FrameType type = size > 65'000 ? FrameType::kRecords : FrameType::kMessage;
    sent.emplace_back(type, pattern(size, ++seed));
    EXPECT_TRUE((*client)->send(type, sent.back().second));
    EXPECT_TRUE(accepted(0).send(type, sent.back().second));
  }
  ASSERT_TRUE(accepted(0).await_frames(sent.size()));
  ASSERT_TRUE((*client)->await_frames(sent.size()));
  EXPECT_TRUE(accepted(0).frames() == sent);
  EXPECT_TRUE((*client)->frames() == sent);
  EXPECT_FALSE((*client)->channel().is_private());
  EXPECT_TRUE(accepted(0).channel().peer().starts_with("127.0.0.1:"));
  EXPECT_EQ((*client)->channel().peer(), address());
}

TEST_P(ChannelTest, AUnixSocketIsPrivate) {
  listen({.address = "unix:" + directory_.file("s")});
  auto client = connect();
  ASSERT_TRUE(client) << client.error().message();
  EXPECT_TRUE((*client)->send(FrameType::kMessage, "hello"));
  ASSERT_TRUE(await_accepted(1));
  ASSERT_TRUE(accepted(0).await_frames(1));
  EXPECT_TRUE((*client)->channel().is_private());
  EXPECT_TRUE(accepted(0).channel().is_private());
}

TEST_P(ChannelTest, HoweverTheBytesAreSplit) {
  listen_tcp();
  Frames sent;
  std::string text;
  for (std::size_t size : {0, 3, 40, 0, 100}) {
    sent.emplace_back(FrameType::kMessage, pattern(size, static_cast<unsigned>(size + 1)));
    text += frame_text(FrameType::kMessage, sent.back().second);
  }
  // 1: each byte alone; up to all of it at once.
  std::size_t index = 0;
  for (std::size_t piece = 1; piece <= text.size(); piece = piece * 2 + 1) {
    Descriptor raw = connect_to(address());
    for (std::size_t at = 0; at < text.size(); at += piece) {
      send_all(raw.number(), text.substr(at, piece));
      io::run_on(*loop_, [] {});  // so that the loop sees most pieces by themselves
    }
    ASSERT_TRUE(await_accepted(index + 1));
    ASSERT_TRUE(accepted(index).await_frames(sent.size())) << piece;
    EXPECT_TRUE(accepted(index).frames() == sent) << piece;
    ++index;
  }
}

TEST_P(ChannelTest, ALargeFrameInRaggedPieces) {
  listen_tcp();
  Descriptor raw = connect_to(address());
  Frames sent = {{FrameType::kRecords, pattern(200'000, 3)},
                 {FrameType::kMessage, pattern(10, 4)},
                 {FrameType::kRecords, pattern(70'000, 5)}};
  std::string text;
  for (const auto& [type, body] : sent) text += frame_text(type, body);
  std::size_t piece = 1;
  for (std::size_t at = 0; at < text.size(); at += piece, piece = piece * 5 % 8191 + 1) {
    send_all(raw.number(), text.substr(at, piece));
  }
  ASSERT_TRUE(await_accepted(1));
  ASSERT_TRUE(accepted(0).await_frames(sent.size()));
  EXPECT_TRUE(accepted(0).frames() == sent);
}

class RudePeer : public NetTest {
 protected:
  // What the server says of a peer that sends this, and then, perhaps, ends the connection.
  Error told(const std::string& text, bool ends = false) {
    const std::size_t index = count_++;
    Descriptor raw = connect_to(address());
    send_all(raw.number(), text);
    if (ends) ::shutdown(raw.number(), SHUT_WR);
    EXPECT_TRUE(await_accepted(index + 1));
    EXPECT_TRUE(accepted(index).await_closed());
    // And it is out: the server has closed.
    EXPECT_EQ(receive_text(raw.number(), 1), "");
    return accepted(index).closed().value_or(Error(Code::kTimeout, "nothing"));
  }
  std::size_t count_ = 0;
};
TLOG_BOTH_LOOPS(RudePeer);

TEST_P(RudePeer, IsToldFromOthers) {
  limits_ = {.message_bytes_max = 1000, .records_bytes_max = 0};
  listen_tcp();
  EXPECT_EQ(told("garbage that is long enough for a head").code(), Code::kCorruption);
  std::string broken = frame_text(FrameType::kMessage, "abc");
  broken[9] = 'x';
  EXPECT_EQ(told(broken).code(), Code::kCorruption);
  const Error tls = told("\x16\x03\x01\x02");  // shorter than a head, and silent from then on
  EXPECT_NE(tls.message().find("speaks TLS"), std::string::npos) << tls.message();
  const Error http = told("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(http.message().find("speaks HTTP"), std::string::npos) << http.message();
  EXPECT_NE(http.message().find("127.0.0.1:"), std::string::npos) << http.message();
}

TEST_P(RudePeer, ABodyAboveTheLimitIsRefusedByItsHead) {
  limits_ = {.message_bytes_max = 1000, .records_bytes_max = 0};
  listen_tcp();
  // The heads alone: nothing is waited for, nothing allocated.
  const Error message = told(frame_text(FrameType::kMessage, std::string(1001, 'x')).substr(0, 16));
  EXPECT_EQ(message.code(), Code::kCorruption);
  EXPECT_NE(message.message().find("1001 bytes; at most 1000"), std::string::npos)
      << message.message();
  const Error records = told(frame_text(FrameType::kRecords, "x").substr(0, 16));
  EXPECT_NE(records.message().find("at most 0"), std::string::npos) << records.message();
  const std::size_t index = count_;
  Descriptor raw = connect_to(address());
  send_all(raw.number(), frame_text(FrameType::kMessage, std::string(1000, 'x')));
  ASSERT_TRUE(await_accepted(index + 1));
  EXPECT_TRUE(accepted(index).await_frames(1));
}

TEST_P(RudePeer, AnEndInTheMiddleOfAFrameIsSaid) {
  listen_tcp();
  const std::string frame = frame_text(FrameType::kRecords, pattern(100'000));
  for (std::size_t length : {1, 15, 16, 17, 50'000, 100'015}) {
    const Error error = told(frame.substr(0, length), /*ends=*/true);
    EXPECT_EQ(error.code(), Code::kUnavailable);
    EXPECT_NE(error.message().find("in the middle of a frame"), std::string::npos)
        << length << ": " << error.message();
  }
  const Error whole = told(frame, /*ends=*/true);
  EXPECT_EQ(whole.message().find("in the middle"), std::string::npos) << whole.message();
  EXPECT_EQ(accepted(count_ - 1).count(), 1u);
}

TEST_P(ChannelTest, APauseFromOnFrameStopsWhatHasArrivedToo) {
  listen({.address = "127.0.0.1:0"},
         [](End& end) { end.on_frame = [](Channel& channel) { channel.set_reading(false); }; });
  Descriptor raw = connect_to(address());
  std::string text;
  constexpr std::size_t kFrames = 20;
  for (std::size_t i = 0; i < kFrames; ++i) {
    text += frame_text(FrameType::kMessage, pattern(i * 10, static_cast<unsigned>(i)));
  }
  send_all(raw.number(), text);  // few bytes: one receive has them all
  ASSERT_TRUE(await_accepted(1));
  for (std::size_t i = 1; i <= kFrames; ++i) {
    ASSERT_TRUE(accepted(0).await_frames(i));
    for (int turn = 0; turn < 5; ++turn) io::run_on(*loop_, [] {});
    ASSERT_EQ(accepted(0).count(), i);
    accepted(0).set_reading(true);
  }
  for (std::size_t i = 0; i < kFrames; ++i) {
    EXPECT_EQ(accepted(0).frames()[i].second, pattern(i * 10, static_cast<unsigned>(i)));
  }
}

TEST_P(ChannelTest, NothingIsLostInPauses) {
  std::atomic<int> received = 0;
  listen({.address = "127.0.0.1:0"}, [&](End& end) {
    end.on_frame = [&](Channel& channel) {
      if (++received % 3 == 0) return;
      channel.set_reading(false);
      if (received % 4 == 0) channel.set_reading(true);
      loop_->post([&channel] { channel.set_reading(true); });
    };
  });
  auto client = connect();
  ASSERT_TRUE(client);
  ASSERT_TRUE(await_accepted(1));
  Frames sent;
  for (unsigned i = 0; i < 200; ++i) {
    sent.emplace_back(FrameType::kRecords, pattern(i * i * 7 % 90'000, i));
  }
  std::thread disturber([&] {
    while (accepted(0).count() < sent.size() && !accepted(0).closed()) {
      accepted(0).set_reading(false);
      accepted(0).set_reading(true);
    }
  });
  bool all_sent = true;
  for (const auto& [type, body] : sent) all_sent = all_sent && (*client)->send(type, body);
  const bool all_received = accepted(0).await_frames(sent.size());
  if (!all_received) (*client)->close();
  disturber.join();
  EXPECT_TRUE(all_sent);
  ASSERT_TRUE(all_received);
  EXPECT_TRUE(accepted(0).frames() == sent);
}

TEST_P(ChannelTest, APeerThatDoesNotReadHoldsTheSenderBack) {
  listen({.address = "127.0.0.1:0"}, [](End& end) { end.channel().set_reading(false); });
  auto client = connect();
  ASSERT_TRUE(client);
  ASSERT_TRUE(await_accepted(1));
  const std::string body = pattern(1'000'000);
  // One after the other, as a sender does that waits for `done`: bounded by the sockets' buffers.
  std::atomic<int> sent = 0;
  std::function<void(Status)> next = [&](const Status& status) {
    if (!status) return;
    ++sent;
    (*client)->channel().send(FrameType::kRecords, {bytes_of(std::string_view(body))}, next);
  };
  io::run_on(*loop_, [&] { next({}); });
  int before = -1;
  // It has come to a stand when nothing was sent during many turns of the loop.
  ASSERT_TRUE(wait_until(
      [&] {
        const int now = sent;
        for (int turn = 0; turn < 200; ++turn) io::run_on(*loop_, [] {});
        return std::exchange(before, now) == sent;
      },
      kPatience));
  EXPECT_LT(sent, 100);
  EXPECT_EQ(accepted(0).count(), 0u);
  // It goes on from there.
  const int stood_at = sent;
  accepted(0).set_reading(true);
  EXPECT_TRUE(wait_until([&] { return sent > stood_at + 20; }, kPatience));
  (*client)->close();
}

TEST_P(ChannelTest, CloseFailsWhatIsQueuedAndNothingFollows) {
  listen({.address = "127.0.0.1:0"}, [](End& end) { end.channel().set_reading(false); });
  auto client = connect();
  ASSERT_TRUE(client);
  const std::string body = pattern(8'000'000);
  std::atomic<int> failed = 0;
  io::run_on(*loop_, [&] {
    for (int i = 0; i < 10; ++i) {
      (*client)->channel().send(FrameType::kRecords, {bytes_of(std::string_view(body))},
                                [&](const Status& status) { failed += status ? 0 : 1; });
    }
  });
  io::run_on(*loop_, [&] {
    (*client)->channel().close();
    EXPECT_GE(failed, 5);  // before close() returns: the body may go
    (*client)->channel().close();
  });
  EXPECT_FALSE((*client)->send(FrameType::kMessage, "late"));
  EXPECT_FALSE((*client)->closed());
  ASSERT_TRUE(await_accepted(1));
  accepted(0).set_reading(true);
  EXPECT_TRUE(accepted(0).await_closed());
}

TEST_P(ChannelTest, AChannelMayGoInItsOwnCallbacks) {
  for (int round = 0; round < 4; ++round) {
    std::unique_ptr<Channel> server;
    std::promise<void> gone;
    auto acceptor = net::listen(
        *loop_, {.address = "127.0.0.1:0"}, log_, [&](std::unique_ptr<Channel> channel) {
          server = std::move(channel);
          server->set_limits(kWide);
          auto vanish = [&](int in) {
            if (in != round || !server) return;
            server.reset();
            gone.set_value();
          };
          server->start({[vanish](FrameType, const Buffer&) { vanish(0); },
                         [vanish](const Error&) { vanish(1); }});
          server->send(FrameType::kMessage, {bytes_of(std::string_view("x"))},
                       [vanish](const Status&) { vanish(2); });
          vanish(3);  // in on_channel itself
        });
    ASSERT_TRUE(acceptor);
    Descriptor raw = connect_to((*acceptor)->address());
    send_all(raw.number(),
             frame_text(FrameType::kMessage, "a") + frame_text(FrameType::kMessage, "b"));
    ::shutdown(raw.number(), SHUT_WR);
    EXPECT_EQ(gone.get_future().wait_for(kPatience), std::future_status::ready) << round;
    io::run_on(*loop_, [&] { acceptor->reset(); });
  }
}

TEST_P(ChannelTest, AFailedSendMayEndItsChannel) {
  listen({.address = "127.0.0.1:0"}, [](End& end) { end.channel().set_reading(false); });
  end_a_channel_in_its_failed_send(nullptr);
}

TEST_P(ChannelTest, ManyConnectionsAtOnce) {
  listen_tcp();
  constexpr std::size_t kConnections = 200;
  std::vector<std::unique_ptr<Channel>> clients;
  const std::string body = pattern(50'000);
  std::atomic<std::size_t> sent = 0;
  io::run_on(*loop_, [&] {
    for (std::size_t i = 0; i < kConnections; ++i) {
      connect_channel(*loop_, address(), nullptr, 20 * kSecond,
                      [&](Result<std::unique_ptr<Channel>> channel) {
                        ASSERT_TRUE(channel) << channel.error().message();
                        Channel& client = **channel;
                        clients.push_back(std::move(*channel));
                        client.start({[](FrameType, const Buffer&) {}, [](const Error&) {}});
                        client.send(FrameType::kRecords, {bytes_of(std::string_view(body))},
                                    [&](const Status& status) { sent += status ? 1 : 0; });
                      });
    }
  });
  ASSERT_TRUE(await_accepted(kConnections));
  for (std::size_t i = 0; i < kConnections; ++i) {
    ASSERT_TRUE(accepted(i).await_frames(1)) << i;
    EXPECT_TRUE(accepted(i).frames()[0].second == body);
  }
  EXPECT_TRUE(wait_until([&] { return sent == kConnections; }, kPatience));
  io::run_on(*loop_, [&] { clients.clear(); });
}

TEST_P(ChannelTest, TheLoopsEndEndsThem) {
  listen({.address = "127.0.0.1:0"}, [](End& end) { end.channel().set_reading(false); });
  auto client = connect();
  ASSERT_TRUE(client);
  ASSERT_TRUE(await_accepted(1));
  const std::string body = pattern(16'000'000);
  int answers = 0;
  io::run_on(*loop_, [&] {
    for (int i = 0; i < 3; ++i) {
      (*client)->channel().send(FrameType::kRecords, {bytes_of(std::string_view(body))},
                                [&](const Status&) { ++answers; });
    }
  });
  loop_->stop();
  EXPECT_EQ(answers, 3);
  EXPECT_EQ((*client)->closed().value().code(), Code::kShutdown);
  EXPECT_EQ(accepted(0).closed().value().code(), Code::kShutdown);
}

}  // namespace
}  // namespace tlog::net
