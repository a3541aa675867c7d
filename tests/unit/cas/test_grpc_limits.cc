// Nobody takes more than his share, or for ever: connections, memory, time; and how it ends.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <optional>

#include "tests/unit/cas/grpc_fixture.h"

namespace tlog::cas {
namespace {

using ::testing::HasSubstr;

// A connection by hand.
class RawClient {
 public:
  explicit RawClient(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::strncpy(at.sun_path, path.c_str(), sizeof at.sun_path - 1);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  }
  ~RawClient() { ::close(socket_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void send(std::string_view bytes) const {
    (void)::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);  // or closed on us
  }
  // True: closed within so long; what comes until then is dropped.
  bool is_closed_within(int ms) const {
    char buffer[4096];
    pollfd wanted{.fd = socket_, .events = POLLIN, .revents = 0};
    for (;;) {
      if (::poll(&wanted, 1, ms) == 0) return false;
      if (::recv(socket_, buffer, sizeof buffer, 0) <= 0) return true;
    }
  }
  bool wait_for_bytes(int ms) const {
    pollfd wanted{.fd = socket_, .events = POLLIN, .revents = 0};
    char byte = 0;
    return ::poll(&wanted, 1, ms) == 1 && ::recv(socket_, &byte, 1, MSG_PEEK) == 1;
  }

 private:
  const int socket_;
};

std::string frame(char type, char flags, char stream, const std::string& payload) {
  std::string bytes;
  for (int shift = 16; shift >= 0; shift -= 8) {
    bytes += static_cast<char>(payload.size() >> shift & 0xff);
  }
  return bytes + type + flags + std::string(3, '\0') + stream + payload;
}

// Says that it takes no byte of any answer, and asks for the content at the address "x".
std::string greeting_without_window() {
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, std::string("\0\4\0\0\0\0", 6));
}
std::string get_x(char stream) {
  const auto field = [](const std::string& name, const std::string& value) {
    return std::string(1, '\0') + static_cast<char>(name.size()) + name +
           static_cast<char>(value.size()) + value;
  };
  const std::string headers = field(":method", "POST") + field(":scheme", "http") +
                              field(":path", "/vac.cas.CAS/Get") + field(":authority", "x") +
                              field("content-type", "application/grpc") + field("te", "trailers");
  return frame(1, 4, stream, headers) + frame(0, 1, stream, std::string("\0\0\0\0\3\x0a\1x", 8));
}

struct GrpcLimits : testing::GrpcFixture {
  std::string path() const { return directory.file("s"); }
};

// Connections that the server has greeted, as many of `wanted` as it takes.
std::vector<std::unique_ptr<RawClient>> let_in(const std::string& path, int wanted) {
  std::vector<std::unique_ptr<RawClient>> inside;
  for (int i = 0; i < wanted; ++i) {
    auto one = std::make_unique<RawClient>(path);
    one->send(greeting_without_window());
    if (one->wait_for_bytes(10'000)) inside.push_back(std::move(one));
  }
  return inside;
}

TEST_F(GrpcLimits, connections_beyond_the_limit_are_closed_and_places_are_given_back) {
  serve_on_unix({.connections_max = 4});
  scripted.put("x", "content");
  auto inside = let_in(path(), 4);
  ASSERT_EQ(inside.size(), 4u);
  EXPECT_TRUE(RawClient(path()).is_closed_within(10'000));
  EXPECT_EQ(client()->get("x").error().code(), Code::kUnavailable);
  // All of them, also where a later connection has an earlier one's descriptor.
  for (int round = 0; round < 3; ++round) {
    inside.clear();
    for (int tries = 0; tries < 200 && inside.size() < 4; ++tries) {
      inside.clear();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      inside = let_in(path(), 4);
    }
    ASSERT_EQ(inside.size(), 4u) << "not given back within 10 s";
  }
}

TEST_F(GrpcLimits, who_does_not_speak_http2_is_not_waited_for) {
  serve_on_unix({.handshake_seconds = 1});
  EXPECT_TRUE(RawClient(path()).is_closed_within(10'000));
  const RawClient rude(path());
  rude.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(rude.is_closed_within(10'000));
}

// Ten answers that nobody reads, of a server with room for two: the others are not even looked for.
// Who brings something meanwhile is to bring it later.
TEST_F(GrpcLimits, answers_that_nobody_reads_take_no_more_memory_than_allowed_and_not_for_ever) {
  std::atomic<int> asked{0};
  scripted.before = [&] {
    ++asked;
    return Status();
  };
  serve_on_unix({.memory_max = 9 * kMiB, .call_ns = 2'000'000'000});
  scripted.put("x", std::string(4'000'000, 'x'));
  const RawClient rude(path());
  std::string all = greeting_without_window();
  for (char stream = 1; stream < 20; stream = static_cast<char>(stream + 2)) all += get_x(stream);
  rude.send(all);
  const auto remote = client();
  const std::string some(2'000'000, 'y');
  bool is_refused = false;
  for (int tries = 0; tries < 200 && !is_refused; ++tries) {
    const auto added = remote->add(some);
    is_refused = !added && added.error().code() == Code::kUnavailable;
    if (!is_refused) {
      --asked;
      continue;
    }
    EXPECT_THAT(added.error().message(), HasSubstr("under way; ask again later"));
    EXPECT_LE(asked, 2);
  }
  EXPECT_TRUE(is_refused);
  // One that has come soon after them is cancelled with them.
  bool is_answered = false;
  for (int tries = 0; tries < 5 && !is_answered; ++tries)
    is_answered = remote->get("x").has_value();
  EXPECT_TRUE(is_answered);
  // All of them came at once, but the clock may have ticked between two.
  EXPECT_LT(asked, 11) << "what was cancelled while it waited was looked for nevertheless";
  EXPECT_TRUE(remote->add(some));
}

// One that waits for room has its own deadline, is answered when there is, and the server's end
// does not wait for it.
TEST_F(GrpcLimits, who_waits_for_room_is_let_in_or_let_go) {
  serve_on_unix({.memory_max = 5 * kMiB});
  scripted.put("x", std::string(4'000'000, 'x'));
  std::optional<RawClient> rude(path());
  rude->send(greeting_without_window() + get_x(1) + get_x(3));
  const auto hasty = client({.call_ns = 1'000'000'000});
  bool waited = false;
  for (int tries = 0; tries < 200 && !waited; ++tries) {
    const auto got = hasty->get("x");
    waited = !got && got.error().code() == Code::kTimeout;
  }
  EXPECT_TRUE(waited);
  Result<std::string> got = fail(Code::kNotFound, "");
  std::thread asking([&] { got = client()->get("x"); });
  rude.reset();
  asking.join();
  EXPECT_TRUE(got) << got.error().message();

  rude.emplace(path());
  rude->send(greeting_without_window() + get_x(1) + get_x(3));
  (void)hasty->get("x");  // it waits for that one's answer
  const auto began = std::chrono::steady_clock::now();
  server.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(8));
}

// The library takes memory back by ending somebody's call: that is no full disk. And it loses
// objects then, for which nobody waits at the end.
TEST_F(GrpcLimits, a_server_without_memory_is_to_be_asked_again_and_ends_in_time) {
  for (int round = 0; round < 10; ++round) {
    serve_on_unix({.memory_max = 3 * kMiB});
    const std::string most(kContentBytesMax, 'x');
    EXPECT_EQ(client()->add(most).error().code(), Code::kUnavailable);
    EXPECT_EQ(client()->add(most).error().code(), Code::kUnavailable);
    const auto began = std::chrono::steady_clock::now();
    server.reset();
    ASSERT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(8)) << round;
  }
}

TEST_F(GrpcLimits, what_is_under_way_is_answered_before_the_end) {
  testing::Gate gate;
  scripted.before = [&] {
    gate.pass();
    return Status();
  };
  serve_on_unix();
  const auto remote = client();
  Result<Address> added = fail(Code::kNotFound, "");
  std::thread adding([&] { added = remote->add("content"); });
  gate.wait_for(1);
  std::thread stopping([&] { server->stop(30'000'000'000); });
  gate.open();
  adding.join();
  stopping.join();
  EXPECT_TRUE(added) << added.error().message();
  EXPECT_EQ(remote->get("x").error().code(), Code::kUnavailable);
}

TEST_F(GrpcLimits, what_takes_too_long_is_cancelled_at_the_end_and_the_contents_are_left_alone) {
  testing::Gate gate;
  std::atomic<int> inside{0};
  scripted.before = [&] {
    ++inside;
    gate.pass();
    --inside;
    return Status();
  };
  serve_on_unix({.threads = 2});
  const auto remote = client();
  std::vector<std::thread> asking;
  std::atomic<int> failed{0};
  for (int i = 0; i < 4; ++i) {
    asking.emplace_back([&] {
      if (!remote->add("content")) ++failed;
    });
  }
  gate.wait_for(2);
  std::thread stopping([&] { server->stop(1'000'000); });
  for (std::thread& thread : asking) thread.join();  // cancelled while the gate is closed
  EXPECT_EQ(failed, 4);
  gate.open();
  stopping.join();
  EXPECT_EQ(inside, 0);
}

}  // namespace
}  // namespace tlog::cas
