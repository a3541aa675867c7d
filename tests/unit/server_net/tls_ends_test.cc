// TLS: pauses and ends. What must not happen: a session that was cut and looks ended; a frame lost
// in a pause; a send that never ends; a callback after the end, or for somebody who is gone.
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "tests/unit/server_net/tls_fixture.h"

namespace tlog::net {
namespace {

// Passes a TLS connection on, and cuts or changes it where it is told to.
class Middle {
 public:
  explicit Middle(const std::string& to) : listener_("127.0.0.1:0"), to_(to) {
    thread_ = std::thread([this] { run(); });
  }
  ~Middle() {
    stopping_ = true;
    thread_.join();
  }
  const std::string& address() const { return listener_.address(); }
  std::atomic<bool> cut = false;     // with an orderly end of the TCP connection
  std::atomic<bool> change = false;  // one byte of what comes next from the client
  std::atomic<bool> deaf = false;    // to the server

 private:
  void run() {
    Descriptor client;
    while (!stopping_ && !client.is_open()) {
      client = listener_.accept();
      if (!client.is_open()) ::tlog::testing::nap();
    }
    if (stopping_) return;
    Descriptor server = connect_to(to_);
    while (!stopping_ && !cut) {
      if (!pass(client.number(), server.number(), true)) break;
      if (!deaf && !pass(server.number(), client.number(), false)) break;
      ::tlog::testing::nap();
    }
  }
  bool pass(int from, int to, bool is_clients) {
    char bytes[70'000];
    const ssize_t got = ::recv(from, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    if (is_clients && got > 10 && change.exchange(false)) bytes[got - 3] ^= 1;
    send_all(to, std::string(bytes, static_cast<std::size_t>(got)));
    return true;
  }
  ::tlog::testing::Listener listener_;
  const std::string to_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

class TlsEnds : public TlsTest {
 protected:
  // On the loop.
  void connect_bare(std::unique_ptr<Channel>& into) {
    auto credentials = load(TlsSide::kClient, client_files());
    ASSERT_TRUE(credentials);
    std::atomic<bool> is_there = false;
    io::run_on(*loop_, [&] {
      connect_channel(*loop_, address(), *credentials, 20 * kSecond,
                      [&](Result<std::unique_ptr<Channel>> channel) {
                        EXPECT_TRUE(channel) << channel.error().message();
                        if (channel) into = std::move(*channel);
                        is_there = true;
                      });
    });
    ASSERT_TRUE(wait_until([&] { return is_there.load(); }, kPatience));
  }
  // A frame has come through.
  std::unique_ptr<End> connect_through(const Middle& middle) {
    auto credentials = load(TlsSide::kClient, client_files());
    auto client = connect_to_address(middle.address(), credentials.value_or(nullptr));
    if (!client) {
      ADD_FAILURE() << client.error().message();
      return nullptr;
    }
    EXPECT_TRUE((*client)->send(FrameType::kMessage, pattern(100)));
    EXPECT_TRUE(await_accepted(1) && accepted(0).await_frames(1));
    return std::move(*client);
  }
  static void read_nothing(End& end) { end.channel().set_reading(false); }
};
TLOG_BOTH_LOOPS(TlsEnds);

TEST_P(TlsEnds, ACutIsNotAnEnd) {
  listen_tls(server_files());
  Middle middle(address());
  auto client = connect_through(middle);
  ASSERT_TRUE(client);
  middle.cut = true;
  ASSERT_TRUE(client->await_closed());
  ASSERT_TRUE(accepted(0).await_closed());
  EXPECT_SAYS(client->closed()->message(), "without TLS's end");
  EXPECT_SAYS(accepted(0).closed()->message(), "without TLS's end");
}

TEST_P(TlsEnds, AChangedByteIsNoticed) {
  listen_tls(server_files());
  Middle middle(address());
  auto client = connect_through(middle);
  ASSERT_TRUE(client);
  middle.change = true;
  EXPECT_TRUE(client->send(FrameType::kMessage, pattern(100)));
  ASSERT_TRUE(accepted(0).await_closed());
  EXPECT_EQ(accepted(0).closed()->code(), Code::kCorruption) << accepted(0).closed()->message();
  EXPECT_EQ(accepted(0).count(), 1u);
}

TEST_P(TlsEnds, PausesLoseNothing) {
  std::atomic<int> received = 0;
  listen_tls(server_files(), [&](End& end) {
    end.on_frame = [&](Channel& channel) {
      if (++received % 3 == 0) return;
      channel.set_reading(false);
      if (received % 4 == 0) channel.set_reading(true);
      loop_->post([&channel] { channel.set_reading(true); });
    };
  });
  auto client = connect_tls(client_files());
  ASSERT_TRUE(client) << client.error().message();
  ASSERT_TRUE(await_accepted(1));
  std::vector<std::pair<FrameType, std::string>> sent;
  for (unsigned i = 0; i < 100; ++i) {
    sent.emplace_back(FrameType::kRecords, pattern(i * i * 7 % 90'000, i));
  }
  std::atomic<std::size_t> done = 0;
  io::run_on(*loop_, [&] {  // all at once: several frames share records of TLS
    for (const auto& [type, body] : sent) {
      (*client)->channel().send(type, {bytes_of(std::string_view(body))},
                                [&](const Status& status) { done += status ? 1 : 0; });
    }
  });
  ASSERT_TRUE(accepted(0).await_frames(sent.size()));
  EXPECT_TRUE(accepted(0).frames() == sent);
  EXPECT_TRUE(wait_until([&] { return done == sent.size(); }, kPatience));
}

TEST_P(TlsEnds, APeerThatDoesNotReadHoldsTheSenderBack) {
  listen_tls(server_files(), [](End& end) { end.channel().set_reading(false); });
  auto client = connect_tls(client_files());
  ASSERT_TRUE(client) << client.error().message();
  ASSERT_TRUE(await_accepted(1));
  const std::string body = pattern(16'000'000);
  std::atomic<int> done = 0;
  std::atomic<int> failed = 0;
  io::run_on(*loop_, [&] {
    for (int i = 0; i < 4; ++i) {
      (*client)->channel().send(FrameType::kRecords, {bytes_of(std::string_view(body))},
                                [&](const Status& status) { ++(status ? done : failed); });
    }
  });
  for (int turn = 0; turn < 2000; ++turn) io::run_on(*loop_, [] {});
  EXPECT_LE(done, 1);
  (*client)->close();
  EXPECT_EQ(done + failed, 4);  // before close() returned: the body may go
  accepted(0).set_reading(true);
  ASSERT_TRUE(accepted(0).await_closed());
  EXPECT_SAYS(accepted(0).closed()->message(), "in the middle of a frame");
}

TEST_P(TlsEnds, EndsInTheMiddleOfEverything) {
  listen_tls(server_files(), answer);
  auto credentials = load(TlsSide::kClient, client_files());
  ASSERT_TRUE(credentials);
  const std::string body = pattern(200'000);
  // Of 40 connections each ends elsewhere: in the handshake, while sending, while receiving.
  for (int round = 0; round < 40; ++round) {
    std::unique_ptr<Channel> channel;
    std::atomic<bool> is_there = false;
    io::run_on(*loop_, [&] {
      connect_channel(*loop_, address(), *credentials, 20 * kSecond,
                      [&](Result<std::unique_ptr<Channel>> connected) {
                        is_there = true;
                        if (!connected || round % 4 == 0) return;
                        channel = std::move(*connected);
                        channel->start({[&](FrameType, const Buffer&) {
                                          if (round % 4 == 1) channel.reset();
                                        },
                                        [](const Error&) {}});
                        for (int i = 0; i < 4; ++i) {
                          channel->send(FrameType::kRecords, {bytes_of(std::string_view(body))},
                                        [&](const Status& status) {
                                          if (status && round % 4 == 2) channel.reset();
                                        });
                        }
                      });
    });
    ASSERT_TRUE(wait_until([&] { return is_there.load(); }, kPatience));
    for (int turn = 0; turn < round; ++turn) io::run_on(*loop_, [] {});
    io::run_on(*loop_, [&] { channel.reset(); });
  }
  // And of the server while handshakes are under way.
  std::vector<Descriptor> raw;
  for (int i = 0; i < 5; ++i) raw.push_back(connect_to(address()));
  io::run_on(*loop_, [this] { acceptor_.reset(); });
  for (Descriptor& one : raw) EXPECT_EQ(receive_text(one.number(), 1), "");
}

TEST_P(TlsEnds, TheLoopsEndEndsHandshakes) {
  listen_tls(server_files());
  const std::string own = address();
  Descriptor raw = connect_to(own);
  ::tlog::testing::Listener silent("127.0.0.1:0");
  auto credentials = load(TlsSide::kClient, client_files());
  ASSERT_TRUE(credentials);
  std::optional<Error> told;
  io::run_on(*loop_, [&] {
    connect_channel(*loop_, silent.address(), *credentials, 1000 * kSecond,
                    [&](Result<std::unique_ptr<Channel>> channel) {
                      if (!channel) told = channel.error();
                    });
  });
  loop_->stop();
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->code(), Code::kShutdown);
}

TEST_P(TlsEnds, AFailedSendMayEndItsChannel) {
  listen_tls(server_files(), read_nothing);
  auto credentials = load(TlsSide::kClient, client_files());
  ASSERT_TRUE(credentials);
  end_a_channel_in_its_failed_send(*credentials);
}

TEST_P(TlsEnds, AnErrorIsToldWhileNobodyReads) {
  listen_tls(server_files(), read_nothing);
  auto client = connect_tls(client_files());
  ASSERT_TRUE(client) << client.error().message();
  ASSERT_TRUE(await_accepted(1));
  (*client)->set_reading(false);
  const std::string body = pattern(16'000'000);
  std::promise<Status> sent;
  io::run_on(*loop_, [&] {
    (*client)->channel().send(FrameType::kRecords, {bytes_of(std::string_view(body))},
                              [&](Status status) { sent.set_value(std::move(status)); });
  });
  await_standstill();
  accepted(0).close();
  auto answer = sent.get_future();
  ASSERT_EQ(answer.wait_for(kPatience), std::future_status::ready);
  EXPECT_FALSE(answer.get());
  EXPECT_TRUE((*client)->await_closed());
}

TEST_P(TlsEnds, AnEndBeforeTheStartIsToldAtTheStart) {
  listen_tls(server_files(), read_nothing);
  std::unique_ptr<Channel> client;
  connect_bare(client);
  ASSERT_TRUE(client);
  ASSERT_TRUE(await_accepted(1));
  const std::string body = pattern(16'000'000);
  std::promise<Status> sent;
  io::run_on(*loop_, [&] {
    client->send(FrameType::kRecords, {bytes_of(std::string_view(body))},
                 [&](Status status) { sent.set_value(std::move(status)); });
  });
  await_standstill();
  accepted(0).close();
  auto answer = sent.get_future();
  ASSERT_EQ(answer.wait_for(kPatience), std::future_status::ready);
  EXPECT_FALSE(answer.get());
  std::promise<Error> closed;
  io::run_on(*loop_, [&] {
    client->start(
        {[](FrameType, const Buffer&) {}, [&](const Error& error) { closed.set_value(error); }});
  });
  auto told = closed.get_future();
  ASSERT_EQ(told.wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(told.get().code(), Code::kUnavailable);
  io::run_on(*loop_, [&] { client.reset(); });
}

// The alert of a session that failed waits behind what the peer does not take, and nobody else
// holds the session any more.
TEST_P(TlsEnds, LastWordsOutliveTheChannel) {
  listen_tls(server_files());
  Middle middle(address());
  auto client = connect_through(middle);
  ASSERT_TRUE(client);
  middle.deaf = true;
  const std::string body = pattern(16'000'000);
  std::atomic<int> failed = 0;
  io::run_on(*loop_, [&] {
    accepted(0).channel().send(FrameType::kRecords, {bytes_of(std::string_view(body))},
                               [&](const Status& status) { failed += status ? 0 : 1; });
  });
  await_standstill();
  middle.change = true;
  EXPECT_TRUE(client->send(FrameType::kMessage, pattern(100)));
  ASSERT_TRUE(accepted(0).await_closed());
  EXPECT_EQ(accepted(0).closed()->code(), Code::kCorruption);
  EXPECT_EQ(failed, 1);  // though the last of it is still to leave
  accepted_.clear();
  client.reset();
  loop_->stop();
}

}  // namespace
}  // namespace tlog::net
