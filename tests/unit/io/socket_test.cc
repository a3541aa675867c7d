// Sockets of the loop against each other's plain system calls: a small server on a thread of its
// own.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "tests/unit/io/loop_fixture.h"
#include "tlog/base/clock.h"

namespace tlog::io {
namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kSecond = 1000 * kMs;

// Listens on loopback or a Unix socket and gives each connection to `serve` on a thread; ends
// within a second.
class Server {
 public:
  using Serve = std::function<void(int)>;
  explicit Server(Serve serve, std::string unix_path = "") : serve_(std::move(serve)) {
    if (unix_path.empty()) {
      listen_tcp();
    } else {
      listen_unix(unix_path);
    }
    thread_ = std::thread([this] { accept_all(); });
  }
  ~Server() {
    stopping_ = true;
    thread_.join();
    for (int descriptor : descriptors_) ::shutdown(descriptor, SHUT_RDWR);
    for (auto& thread : connections_) thread.join();
    for (int descriptor : descriptors_) ::close(descriptor);
    ::close(listener_);
  }
  const std::string& address() const { return address_; }

  static bool readable(int descriptor, int timeout_ms) {
    pollfd polled{descriptor, POLLIN, 0};
    return ::poll(&polled, 1, timeout_ms) > 0;
  }

 private:
  void listen_tcp() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    address_ = "127.0.0.1:" + std::to_string(::ntohs(address.sin_port));
  }
  void listen_unix(const std::string& path) {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    address_ = "unix:" + path;
  }
  void accept_all() {
    while (!stopping_) {
      if (!readable(listener_, 50)) continue;
      int connection = ::accept(listener_, nullptr, nullptr);
      if (connection < 0) continue;
      descriptors_.push_back(connection);
      connections_.emplace_back([this, connection] {
        serve_(connection);
        ::shutdown(connection, SHUT_RDWR);
      });
    }
  }

  Serve serve_;
  std::string address_;
  int listener_ = -1;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
  std::vector<std::thread> connections_;
  std::vector<int> descriptors_;  // closed at the end, so that no number is used twice
};

// Sends back what comes, until the peer closes.
void echo(int connection) {
  std::vector<char> bytes(100'000);
  while (Server::readable(connection, 20'000)) {
    ssize_t got = ::recv(connection, bytes.data(), bytes.size(), 0);
    if (got <= 0) return;
    for (ssize_t sent = 0; sent < got;) {
      ssize_t now = ::send(connection, bytes.data() + sent, static_cast<std::size_t>(got - sent),
                           MSG_NOSIGNAL);
      if (now <= 0) return;
      sent += now;
    }
  }
}

class LoopSockets : public LoopTest {
 protected:
  void TearDown() override {
    if (loop_ && socket_) run_on(*loop_, [this] { socket_.reset(); });
    LoopTest::TearDown();
  }
  Status connect(const std::string& address, std::uint64_t timeout_ns = 10 * kSecond) {
    return await<Status>([&, this](auto done) {
      loop_->connect(address, timeout_ns, [this, done](Result<std::unique_ptr<Socket>> result) {
        EXPECT_TRUE(loop_->in_loop_thread());
        if (!result) return done(fail(std::move(result).error()));
        socket_ = std::move(*result);
        done({});
      });
    });
  }
  // Sends `text` in pieces and waits until as many bytes have come back.
  std::string round_trip(const std::string& text, std::size_t piece) {
    std::string received;
    return await<std::string>([&](auto done) {
      socket_->start({[&received, &text, done](ConstByteSpan bytes) {
                        received.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
                        if (received.size() == text.size()) done(received);
                      },
                      [](Error) {}});
      for (std::size_t at = 0; at < text.size(); at += 2 * piece) {
        std::vector<ConstByteSpan> pieces = {
            bytes_of(std::string_view(text).substr(at).substr(0, piece))};
        if (at + piece < text.size()) {
          pieces.push_back(bytes_of(std::string_view(text).substr(at + piece).substr(0, piece)));
        }
        socket_->send(std::move(pieces), [](Status status) { EXPECT_TRUE(status); });
      }
    });
  }

  std::unique_ptr<Socket> socket_;
};
TLOG_BOTH_LOOPS(LoopSockets);

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i * i % 23);
  return text;
}

TEST_P(LoopSockets, SmallPiecesOverTcp) {
  Server server(echo);
  ASSERT_TRUE(connect(server.address()));
  std::string text = pattern(10'000);
  EXPECT_EQ(round_trip(text, 7), text);
}

TEST_P(LoopSockets, BigPiecesOverTcpAreSentInParts) {
  Server server(echo);
  ASSERT_TRUE(connect(server.address()));
  std::string text =
      pattern(24 * kMiB);  // more than any socket buffer: sends are cut short, both ways
  EXPECT_TRUE(round_trip(text, 5'000'000) == text);
}

TEST_P(LoopSockets, BigPiecesOverAUnixSocket) {
  Server server(echo, directory_.file("s"));
  ASSERT_TRUE(connect(server.address()));
  std::string text = pattern(8 * kMiB);
  EXPECT_TRUE(round_trip(text, 3'000'000) == text);
}

TEST_P(LoopSockets, NamesAreResolved) {
  Server server(echo);
  std::string port = server.address().substr(server.address().rfind(':'));
  Status status = connect("localhost" + port);
  if (!status) GTEST_SKIP() << status.error().message();  // a machine without /etc/hosts
  EXPECT_EQ(round_trip("abc", 1), "abc");
}

TEST_P(LoopSockets, QuickAckIsAccepted) {
  Server server(echo);
  ASSERT_TRUE(connect(server.address()));
  run_on(*loop_, [this] { socket_->set_quick_ack(true); });
  EXPECT_EQ(round_trip(pattern(1000), 10), pattern(1000));
}

TEST_P(LoopSockets, RefusedConnections) {
  std::string address;
  {
    Server server(echo);
    address = server.address();
  }
  EXPECT_EQ(connect(address).error().code(), Code::kUnavailable);
  Status no_file = connect("unix:" + directory_.file("nobody"));
  EXPECT_EQ(no_file.error().code(), Code::kUnavailable);
  EXPECT_NE(no_file.error().message().find("nobody"), std::string::npos);
}

TEST_P(LoopSockets, AddressesThatAreNone) {
  for (std::string address :
       {"", "7000", "host:", ":7000", "unix:", "1:2:3", "[::1:7000", "host:notaport"}) {
    Status status = connect(address);
    ASSERT_FALSE(status) << address;
    EXPECT_NE(status.error().message().find("connect"), std::string::npos);
  }
  Status long_path = connect("unix:/" + std::string(200, 'x'));
  EXPECT_EQ(long_path.error().code(), Code::kInvalidArgument);
}

TEST_P(LoopSockets, AConnectionThatNobodyTakesTimesOut) {
  // A full backlog: the kernel then ignores further connection requests.
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  std::vector<int> fillers;
  for (int i = 0; i < 4; ++i) {
    int filler = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)::connect(filler, reinterpret_cast<sockaddr*>(&address), length);
    fillers.push_back(filler);
  }
  std::uint64_t start = system_clock().monotonic_ns();
  Status status = connect("127.0.0.1:" + std::to_string(::ntohs(address.sin_port)), 100 * kMs);
  EXPECT_EQ(status.error().code(), Code::kTimeout);
  EXPECT_GE(system_clock().monotonic_ns() - start, 100 * kMs);
  for (int filler : fillers) ::close(filler);
  ::close(listener);
}

TEST_P(LoopSockets, ThePeersEndIsToldOnceAndFailsLaterSends) {
  Server server([](int connection) { (void)::send(connection, "bye", 3, MSG_NOSIGNAL); });
  ASSERT_TRUE(connect(server.address()));
  std::string received;
  int ends = 0;
  Error end = await<Error>([&](auto done) {
    socket_->start({[&](ConstByteSpan bytes) {
                      received.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
                    },
                    [&, done](Error error) {
                      ++ends;
                      done(error);
                    }});
  });
  EXPECT_EQ(received, "bye");
  EXPECT_EQ(end.code(), Code::kUnavailable);
  Status late = await<Status>([&](auto done) { socket_->send({bytes_of("x")}, done); });
  EXPECT_FALSE(late);
  run_on(*loop_, [this] { socket_->close(); });
  EXPECT_EQ(ends, 1);
}

TEST_P(LoopSockets, CloseFailsWhatIsQueuedBeforeItReturns) {
  std::atomic<bool> finish = false;
  Server silent([&](int connection) {
    (void)connection;
    while (!finish) std::this_thread::yield();
  });
  ASSERT_TRUE(connect(silent.address()));
  std::string big = pattern(32 * kMiB);
  int sent = 0;
  int failed = 0;
  bool ended = false;
  run_on(*loop_, [&] {
    socket_->start({[](ConstByteSpan) {}, [&](Error) { ended = true; }});
    for (int i = 0; i < 3; ++i) {
      socket_->send({bytes_of(std::string_view(big))}, [&](Status status) {
        sent += status ? 1 : 0;
        failed += !status && status.error().code() == Code::kShutdown ? 1 : 0;
      });
    }
  });
  run_on(*loop_, [&] {
    socket_->close();
    EXPECT_EQ(sent + failed, 3);
    EXPECT_GE(failed, 2);  // 96 MiB do not fit into socket buffers
    std::fill(big.begin(), big.end(), 'x');
    socket_->close();
  });
  run_on(*loop_, [this] { socket_.reset(); });
  EXPECT_FALSE(ended);
  finish = true;
}

TEST_P(LoopSockets, ASocketMayBeDestroyedInItsOwnCallbacks) {
  Server server(echo);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(connect(server.address()));
    await<int>([&](auto done) {
      socket_->start({[&, round, done](ConstByteSpan) {
                        if (round != 0) return;
                        socket_.reset();
                        done(0);
                      },
                      [](Error) {}});
      socket_->send({bytes_of("x")}, [&, round, done](Status) {
        if (round != 1) return;
        socket_.reset();
        done(0);
      });
      if (round == 2) {
        socket_.reset();
        done(0);
      }
    });
  }
}

TEST_P(LoopSockets, StopEndsSocketsAndConnectionAttempts) {
  Server server(echo);
  ASSERT_TRUE(connect(server.address()));
  Code connection_end = Code::kIoError;
  int answers = 0;
  std::string big = pattern(64 * kMiB);
  run_on(*loop_, [&] {
    socket_->start({[](ConstByteSpan) {}, [&](Error error) { connection_end = error.code(); }});
    for (int i = 0; i < 4; ++i) {
      socket_->send({bytes_of(std::string_view(big))}, [&](Status) { ++answers; });
    }
    loop_->connect("192.0.2.1:9", 3600 * kSecond, [&](Result<std::unique_ptr<Socket>> result) {
      EXPECT_FALSE(result);
      ++answers;
    });
  });
  loop_->stop();
  EXPECT_EQ(connection_end, Code::kShutdown);
  EXPECT_EQ(answers, 5);
  bool refused = false;
  loop_->connect(server.address(), kSecond, [&](Result<std::unique_ptr<Socket>> result) {
    refused = !result && result.error().code() == Code::kShutdown;
  });
  EXPECT_TRUE(refused);
  socket_.reset();
}

TEST_P(LoopSockets, ManyConnectionsAtOnce) {
  Server server(echo);
  constexpr int kConnections = 50;  // more than the ring has entries (32)
  std::vector<std::unique_ptr<Socket>> sockets;
  int answers = 0;
  await<int>([&](auto done) {
    for (int i = 0; i < kConnections; ++i) {
      loop_->connect(server.address(), 10 * kSecond,
                     [&, done](Result<std::unique_ptr<Socket>> result) {
                       ASSERT_TRUE(result) << result.error().message();
                       Socket& socket = **result;
                       sockets.push_back(std::move(*result));
                       socket.start({[&, done](ConstByteSpan bytes) {
                                       EXPECT_EQ(bytes.size(), 5u);
                                       if (++answers == kConnections) done(0);
                                     },
                                     [](Error error) { ADD_FAILURE() << error.message(); }});
                       socket.send({bytes_of("hello")}, [](Status status) { EXPECT_TRUE(status); });
                     });
    }
  });
  run_on(*loop_, [&] { sockets.clear(); });
  EXPECT_EQ(answers, kConnections);
}

}  // namespace
}  // namespace tlog::io
