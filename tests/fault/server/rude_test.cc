// Clients that do what they should not. Each of them costs itself: a session beside them goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <list>

#include "tests/fault/server/server_rig.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;

// As a frame.
std::string status_request() {
  const Buffer body = protocol::encode(protocol::StatusRequest{.id = 1});
  const auto head = protocol::encode_head(
      {.type = protocol::FrameType::kMessage, .length = static_cast<std::uint32_t>(body.size())});
  std::string frame(reinterpret_cast<const char*>(head.data()), head.size());
  return frame.append(reinterpret_cast<const char*>(body.data()), body.size());
}

// With a client that behaves, and shows at the end that it was served all the time.
class Rude : public ::testing::Test {
 protected:
  explicit Rude(const std::function<void(server::ServerOptions&)>& change = {}) : rig(change) {
    good_.emplace(rig.address(), rig.hello("good", 9));
    good_->enter();
  }
  void TearDown() override {
    serve_good();
    rig.expect_log("good", good_->model());
  }
  void serve_good() {
    good_->write(5);
    EXPECT_EQ(good_->flush(good_->sent()), good_->sent());
  }

  ServerRig rig;

 private:
  std::optional<SessionClient> good_;
};

// Asks and asks, as far as the server takes it, without reading the answers.
class Asker {
 public:
  explicit Asker(FrameClient& client) : client_(client) {}
  static constexpr std::uint64_t kMost = 64 * kMiB;
  // What the server took now; where a frame was begun the next time goes on.
  std::uint64_t ask() {
    const std::uint64_t before = sent_;
    for (std::size_t taken = 1; taken > 0 && sent_ < kMost; sent_ += taken)
      taken = client_.push(bytes_of(std::string_view(frame_)).subspan(sent_ % frame_.size()));
    return sent_ - before;
  }
  std::uint64_t sent() const { return sent_; }

 private:
  FrameClient& client_;
  const std::string frame_ = status_request();
  std::uint64_t sent_ = 0;
};

TEST_F(Rude, garbage_instead_of_a_frame) {
  FrameClient client = rig.stranger();
  client.send_bytes(bytes_of(std::string_view("GET / HTTP/1.1\r\nHost: tlogserver\r\n\r\n")));
  client.wait_closed();
}

TEST_F(Rude, garbage_in_a_message) {
  FrameClient client = rig.stranger();
  client.send_frame(protocol::FrameType::kMessage, bytes_of(std::string_view("what is this")));
  EXPECT_EQ(client.expect<protocol::Refusal>().code, Code::kCorruption);
  client.leave();
}

TEST_F(Rude, a_message_that_is_too_long) {
  const auto begin = [](FrameClient& client, std::uint32_t length) {
    client.send_bytes(
        protocol::encode_head({.type = protocol::FrameType::kMessage, .length = length}));
  };
  FrameClient stranger = rig.stranger();
  begin(stranger, 64 * kKiB + 1);
  stranger.wait_closed();
  SessionClient client = rig.client();
  client.enter();
  begin(client.control(), protocol::kMessageBytesMax + 1);
  client.control().wait_closed();
  client.data().wait_closed();
}

TEST_F(Rude, records_before_hello_and_before_attach) {
  SessionClient client = rig.client();
  client.enter();
  const Buffer batch = client.next_batch(2, 512);
  FrameClient stranger = rig.stranger();
  stranger.send_frame(protocol::FrameType::kRecords, batch.span());
  stranger.wait_closed();
  EXPECT_EQ(rig.server().status().records, 0u);
}

TEST_F(Rude, records_on_the_control_connection) {
  SessionClient client = rig.client();
  client.enter();
  const Buffer batch = client.next_batch(2, 512);
  client.control().send_frame(protocol::FrameType::kRecords, batch.span());
  client.control().wait_closed();
  client.data().wait_closed();
  EXPECT_EQ(rig.server().status().records, 0u);
}

TEST_F(Rude, something_else_than_hello) {
  FrameClient client = rig.stranger();
  client.say(protocol::Echo{.id = 1});
  EXPECT_EQ(client.expect<protocol::Refusal>().code, Code::kInvalidArgument);
  client.leave();
}

TEST_F(Rude, hello_twice) {
  SessionClient client = rig.client();
  client.enter();
  client.control().say(rig.hello());
  EXPECT_EQ(client.wait_disconnected().code, Code::kInvalidArgument);
  client.data().wait_closed();
}

TEST_F(Rude, hello_again_while_it_is_being_opened) {
  rig.contents("slow").delay(100'000'000);
  FrameClient client = rig.stranger();
  client.say(rig.hello("slow"));
  client.say(rig.hello("slow"));
  EXPECT_EQ(client.expect<protocol::Refusal>().code, Code::kInvalidArgument);
  client.leave();
}

TEST_F(Rude, messages_on_the_data_connection) {
  SessionClient client = rig.client();
  client.enter();
  client.data().say(protocol::StatusRequest{.id = 1});
  EXPECT_THAT(client.wait_disconnected().reason, HasSubstr("data connection"));
}

TEST_F(Rude, garbage_on_the_data_connection) {
  SessionClient client = rig.client();
  client.enter();
  client.data().send_bytes(bytes_of(std::string_view("0123456789abcdef0123456789abcdef")));
  EXPECT_EQ(client.wait_disconnected().code, Code::kCorruption);
}

TEST_F(Rude, a_batch_longer_than_was_agreed) {
  SessionClient client = rig.client();
  client.enter();
  client.data().send_bytes(protocol::encode_head(
      {.type = protocol::FrameType::kRecords,
       .length = static_cast<std::uint32_t>(client.welcome().batch_bytes_max + 1)}));
  client.data().wait_closed();
}

TEST_F(Rude, ends_in_the_middle_of_a_frame) {
  SessionClient client = rig.client();
  client.enter();
  client.write(4);
  client.wait_received(4);
  const Buffer batch = client.next_batch(4, 4096);
  client.data().send_bytes(protocol::encode_head(
      {.type = protocol::FrameType::kRecords, .length = static_cast<std::uint32_t>(batch.size())}));
  client.data().send_bytes(batch.span().first(5000));
  client.data().close();
  client.control().close();
  EXPECT_TRUE(rig.wait_until([&] { return rig.session().peer.empty(); }));
  EXPECT_EQ(rig.session().received, 4u);
}

TEST_F(Rude, asks_without_reading_the_answers) {
  SessionClient client = rig.client();
  client.enter();
  Asker asker(client.control());
  const bool stalls = rig.wait_until([&] {
    const bool is_over = asker.ask() == 0 || asker.sent() >= Asker::kMost;
    serve_good();
    return is_over;
  });
  EXPECT_TRUE(stalls);
  EXPECT_LT(asker.sent(), Asker::kMost) << "it takes questions without end";
}

class RudeTimed : public Rude {
 protected:
  RudeTimed()
      : Rude([](server::ServerOptions& options) {
          options.send_timeout_ns = 300'000'000;
          options.silent_max = 64;
        }) {}
};

TEST_F(RudeTimed, never_reads) {
  SessionClient client = rig.client("deaf");
  client.enter();
  Asker asker(client.control());
  const bool ended = rig.wait_until([&] {
    try {
      asker.ask();
    } catch (const std::runtime_error&) {
      return true;  // closed
    }
    serve_good();
    return false;
  });
  EXPECT_TRUE(ended);
  EXPECT_TRUE(rig.wait_until([&] { return rig.session("deaf").peer.empty(); }))
      << "it is disconnected, its log lingers";
  EXPECT_TRUE(rig.logger().has("it has taken nothing for"));
}

TEST_F(RudeTimed, a_crowd_that_says_nothing_or_guesses_tokens) {
  std::list<FrameClient> crowd;
  for (int i = 0; i < 600; ++i) {
    crowd.push_back(rig.stranger());
    if (i % 3 == 1) crowd.back().say(protocol::Attach{.session = SampleAggregation::sample_uuid()});
    if (i % 200 == 0) serve_good();
  }
  SessionClient client = rig.client("vm1");
  client.enter();
  client.write(3);
  EXPECT_EQ(client.flush(3), 3u);
  crowd.front().wait_closed();  // the first made room for the later ones
}

}  // namespace
}  // namespace tlog::testing
