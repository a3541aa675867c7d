// Goal: an older change never overwrites a newer one on a server: not the bytes that a connection
// had sent before it ended, not those of a writer that does not know that another one has taken
// over. Method: connections of the test's own that behave like such writers; a stopped server that
// has their bytes and has not executed them.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>

#include <future>

#include "tests/unit/blocks/cluster_fixture.h"
#include "tlog/store/resp_protocol.h"

namespace tlog::blocks {
namespace {

using ::testing::HasSubstr;

// An earlier connection of a writer, byte for byte.
class RawClient {
 public:
  explicit RawClient(const std::string& address) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.find(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
      throw std::runtime_error("connect");
  }
  ~RawClient() { ::close(socket_); }

  // False: the kernel takes no more for now; the rest is sent by send_all().
  bool send(const std::string& text) {
    const auto sent = ::send(socket_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    rest_ = text.substr(sent > 0 ? static_cast<std::size_t>(sent) : 0);
    return rest_.empty();
  }
  // Waits until the kernel has taken it, if the connection still stands.
  void send_all(const std::string& text) {
    rest_ += text;
    const timeval limit{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    (void)::send(socket_, rest_.data(), rest_.size(), MSG_NOSIGNAL);
  }
  // What comes within 20 s; "" for the end of the connection.
  std::string receive() {
    pollfd wait{socket_, POLLIN, 0};
    if (::poll(&wait, 1, 20'000) != 1) return "nothing";
    std::array<char, 4096> bytes{};
    const auto got = ::recv(socket_, bytes.data(), bytes.size(), 0);
    return got > 0 ? std::string(bytes.data(), static_cast<std::size_t>(got)) : "";
  }

 private:
  int socket_ = -1;
  std::string rest_;
};

class ClusterWriters : public ClusterTest {
 protected:
  std::string name_of_writer() const {
    return "tlog:" + options(0).uuid.text() + ":an-earlier-one";
  }
  std::string old_change() const {
    const std::string block(kBlock, 'o');
    return store::encode_command({"HMSET", key(), "0", block, "applied", "99 1"});
  }
};

TEST_F(ClusterWriters, late_older_apply) {
  start_fleet();
  create().reset();
  testing::RedisServer& server = (*fleet_)[0];
  RawClient earlier(server.address());
  ASSERT_TRUE(earlier.send(store::encode_command({"CLIENT", "SETNAME", name_of_writer()})));
  ASSERT_EQ(earlier.receive(), "+OK\r\n");
  // The server has these bytes and executes them when it goes on, while the next writer is at work.
  server.pause();
  int sent = 0;
  while (sent < 2000 && earlier.send(old_change())) ++sent;
  ASSERT_GT(sent, 100);
  auto opening = std::async(std::launch::async, [&] { return try_open(options(2)); });
  server.resume();
  auto storage = opening.get();
  ASSERT_TRUE(storage) << storage.error().message();
  if ((*storage)->lacking().empty()) {
    // 99 is what the earlier one says of itself: the next one goes on behind it.
    Status done = write(**storage, 0, filled(kBlock, 5), 100);
    ASSERT_TRUE(done) << done.error().message();
  }
  // Nothing of it is executed any more, whenever it arrives.
  earlier.send_all(old_change());
  std::string text(kBlock, '\x05');
  for (int i = 0; i < 200; ++i) ASSERT_EQ(server.command({"HGET", key(), "0"}), text) << i;
  auto got = read(**storage, 0, kBlock);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(*got, filled(kBlock, 5));
}

TEST_F(ClusterWriters, an_earlier_connection_is_ended) {
  start_fleet();
  create().reset();
  RawClient earlier((*fleet_)[1].address());
  ASSERT_TRUE(earlier.send(store::encode_command({"CLIENT", "SETNAME", name_of_writer()})));
  ASSERT_EQ(earlier.receive(), "+OK\r\n");
  RawClient stranger((*fleet_)[1].address());
  ASSERT_TRUE(stranger.send(store::encode_command({"CLIENT", "SETNAME", "tlog:another-vdisk:x"})));
  ASSERT_EQ(stranger.receive(), "+OK\r\n");
  auto storage = open(options(2));
  EXPECT_EQ(earlier.receive(), "");
  // Another vdisk's is left alone.
  ASSERT_TRUE(stranger.send(store::encode_command({"PING"})));
  EXPECT_EQ(stranger.receive(), "+PONG\r\n");
}

// ardb knows only the older words for it.
TEST_F(ClusterWriters, an_earlier_connection_is_ended_on_ardb) {
  start_doubles();
  create().reset();
  RawClient earlier(addresses_[1]);
  ASSERT_TRUE(earlier.send(store::encode_command({"CLIENT", "SETNAME", name_of_writer()})));
  ASSERT_EQ(earlier.receive(), "+OK\r\n");
  auto storage = open(options(2));
  EXPECT_EQ(earlier.receive(), "");
  ASSERT_TRUE(write(*storage, 0, filled(6 * kBlock, 5), 1));
  auto got = read(*storage, 0, 6 * kBlock);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(*got, filled(6 * kBlock, 5));
}

TEST_F(ClusterWriters, a_writer_of_an_earlier_epoch_is_refused_for_good) {
  start_fleet();
  auto first = create();
  ASSERT_TRUE(write(*first, 0, filled(6 * kBlock, 1), 1));
  auto second = open(options(2, 1));
  ASSERT_TRUE(write(*second, 0, filled(6 * kBlock, 2), 2));
  // Its connections have been ended; it connects again and again.
  std::string why;
  for (Sequence sequence = 2; sequence < 20; ++sequence) {
    Status late = write(*first, 0, filled(6 * kBlock, 3), sequence);
    ASSERT_FALSE(late);
    why = late.error().message();
  }
  EXPECT_THAT(why, HasSubstr("another writer (epoch 2) has taken vdisk 'vm1' over"));
  auto got = read(*second, 0, 6 * kBlock);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(*got, filled(6 * kBlock, 2));
}

// A batch that is given again must not bring older bytes back.
TEST_F(ClusterWriters, what_a_server_has_applied_is_not_applied_again) {
  start_fleet();
  auto storage = create();
  ASSERT_TRUE(write(*storage, 0, filled(kBlock, 1), 10));
  ASSERT_TRUE(write(*storage, 0, filled(kBlock, 2), 20));
  storage = open(options(2, 0));
  ASSERT_TRUE(write(*storage, 0, filled(kBlock, 1), 10));
  EXPECT_EQ((*fleet_)[0].command({"HGET", key(), "0"}), std::string(kBlock, '\x02'));
}

}  // namespace
}  // namespace tlog::blocks
