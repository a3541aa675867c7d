// Listening sockets, and sockets that are not read for a while. What must not happen: a socket file
// that others may use, or that is taken from a living process; bytes lost in a pause; a peer that
// has vanished and is waited for.
#include <fcntl.h>
#include <linux/filter.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <thread>

#include "tests/support/loopback.h"
#include "tests/support/process.h"
#include "tests/unit/io/loop_fixture.h"
#include "tlog/base/buffer.h"

namespace tlog::io {
namespace {

using ::tlog::testing::connect_to;
using ::tlog::testing::Descriptor;
using ::tlog::testing::Milliseconds;
using ::tlog::testing::wait_until;
constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr Milliseconds kPatience{20'000};

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 999) % 23);
  return text;
}

class LoopListener : public LoopTest {
 protected:
  void TearDown() override {
    if (loop_) {
      run_on(*loop_, [this] {
        listener_.reset();
        accepted_.clear();
      });
    }
    LoopTest::TearDown();
  }
  Status listen(const ListenOptions& options) {
    auto listener = loop_->listen(options, {[this](Accepted connection) {
                                              EXPECT_TRUE(loop_->in_loop_thread());
                                              peers_.push_back(connection.peer);
                                              accepted_.push_back(std::move(connection.socket));
                                              ++count_;
                                            },
                                            [this](const Error& error) {
                                              trouble_ = error.message();
                                              ++troubles_;
                                            }});
    if (!listener) return fail(std::move(listener).error());
    listener_ = std::move(*listener);
    return {};
  }
  bool await_accepted(int count) {
    return wait_until([&] { return count_ >= count; }, kPatience);
  }
  // Of the first connection that was accepted.
  void collect(std::function<void(ConstByteSpan)> also = nullptr) {
    run_on(*loop_, [this, also] {
      accepted_.front()->start({[this, also](ConstByteSpan bytes) {
                                  {
                                    std::lock_guard lock(mutex_);
                                    received_.append(reinterpret_cast<const char*>(bytes.data()),
                                                     bytes.size());
                                  }
                                  if (also) also(bytes);
                                },
                                [this](const Error& error) {
                                  std::lock_guard lock(mutex_);
                                  end_ = error;
                                }});
    });
  }
  std::string received() {
    std::lock_guard lock(mutex_);
    return received_;
  }
  std::optional<Error> end() {
    std::lock_guard lock(mutex_);
    return end_;
  }

  std::unique_ptr<Listener> listener_;
  std::vector<std::unique_ptr<Socket>> accepted_;  // the loop's thread, or after count_
  std::vector<std::string> peers_;
  std::string trouble_;
  std::atomic<int> count_ = 0;
  std::atomic<int> troubles_ = 0;
  std::mutex mutex_;
  std::string received_;
  std::optional<Error> end_;
};
TLOG_BOTH_LOOPS(LoopListener);

// Everything, whatever the socket takes at once.
void send_all(int descriptor, const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t sent = ::send(descriptor, text.data() + at, text.size() - at, MSG_NOSIGNAL);
    ASSERT_GT(sent, 0);
    at += static_cast<std::size_t>(sent);
  }
}

TEST_P(LoopListener, AcceptsOverTcpAndKnowsThePeer) {
  ASSERT_TRUE(listen({.address = "127.0.0.1:0"}));
  const std::string address = listener_->address();
  EXPECT_TRUE(address.starts_with("127.0.0.1:"));
  EXPECT_FALSE(address.ends_with(":0"));
  Descriptor first = connect_to(address);
  Descriptor second = connect_to(address);
  ASSERT_TRUE(await_accepted(2));
  EXPECT_TRUE(peers_[0].starts_with("127.0.0.1:"));
  EXPECT_NE(peers_[0], peers_[1]);
  collect();
  send_all(first.number(), "hello");
  EXPECT_TRUE(wait_until([&] { return received() == "hello"; }, kPatience));
}

TEST_P(LoopListener, AcceptsOverIpv6) {
  Status listening = listen({.address = "[::1]:0"});
  if (!listening) GTEST_SKIP() << listening.error().message();  // a machine without IPv6
  EXPECT_TRUE(listener_->address().starts_with("[::1]:"));
  Status connected = await<Status>([&, this](auto done) {
    loop_->connect(listener_->address(), 10 * kSecond,
                   [done](Result<std::unique_ptr<Socket>> socket) {
                     done(socket ? Status() : Status(fail(socket.error())));
                   });
  });
  EXPECT_TRUE(connected) << connected.error().message();
  ASSERT_TRUE(await_accepted(1));
  EXPECT_TRUE(peers_[0].starts_with("[::1]:"));
}

TEST_P(LoopListener, AUnixSocketIsForItsOwnerUnlessToldOtherwise) {
  const std::string path = directory_.file("s");
  const mode_t before = ::umask(0);  // the most careless
  Status listening = listen({.address = "unix:" + path});
  ::umask(before);
  ASSERT_TRUE(listening) << listening.error().message();
  EXPECT_EQ(system_files().mode(path).value(), 0600u);
  Descriptor client = connect_to("unix:" + path);
  ASSERT_TRUE(await_accepted(1));
  EXPECT_NE(peers_[0].find("process " + std::to_string(::getpid())), std::string::npos)
      << peers_[0];
  run_on(*loop_, [this] { listener_.reset(); });
  EXPECT_FALSE(std::filesystem::exists(path));
  ASSERT_TRUE(listen({.address = "unix:" + path, .unix_mode = 0666}));
  EXPECT_EQ(system_files().mode(path).value(), 0666u);
}

TEST_P(LoopListener, ALeftSocketFileIsReplacedALivingOneIsNot) {
  const std::string path = directory_.file("s");
  {
    Descriptor dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const ::tlog::testing::SocketAddress address("unix:" + path);
    ASSERT_EQ(::bind(dead.number(), address.get(), address.length), 0);
  }
  ASSERT_TRUE(std::filesystem::exists(path));
  ASSERT_TRUE(listen({.address = "unix:" + path}));
  auto other = loop_->listen({.address = "unix:" + path}, {});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), Code::kUnavailable);
  EXPECT_NE(other.error().message().find("another process listens"), std::string::npos)
      << other.error().message();
  Descriptor client = connect_to("unix:" + path);
  EXPECT_TRUE(await_accepted(1));
  // Somebody else's file that came in its place stays.
  std::filesystem::remove(path);
  ::tlog::testing::write_text(path, "mine");
  auto on_file = loop_->listen({.address = "unix:" + path}, {});
  ASSERT_FALSE(on_file);
  EXPECT_EQ(on_file.error().code(), Code::kAlreadyExists);
  run_on(*loop_, [this] { listener_.reset(); });
  EXPECT_TRUE(std::filesystem::exists(path));
}

// As a server does that is killed and started again at once.
TEST_P(LoopListener, AnAddressThatIsLetGoOfSoonIsWaitedFor) {
  for (const std::string& address : {std::string("127.0.0.1:0"), "unix:" + directory_.file("s")}) {
    // It is looked at by connections.
    auto other = loop_->listen({.address = address}, {[](const Accepted&) {}, {}});
    ASSERT_TRUE(other) << other.error().message();
    const std::string wanted = (*other)->address();
    std::thread letting_go([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      run_on(*loop_, [&other] { other->reset(); });
    });
    const Status listening = listen({.address = wanted});
    letting_go.join();
    EXPECT_TRUE(listening) << listening.error().message();
    run_on(*loop_, [this] { listener_.reset(); });
  }
}

TEST_P(LoopListener, AddressesThatCannotBe) {
  ASSERT_TRUE(listen({.address = "127.0.0.1:0"}));
  auto taken = loop_->listen({.address = listener_->address()}, {});
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().message().find("another process listens there"), std::string::npos)
      << taken.error().message();
  for (std::string address : {"", "1234", "host:", "[::1:7", "unix:", "127.0.0.1:nothing"}) {
    auto none = loop_->listen({.address = address}, {});
    ASSERT_FALSE(none) << address;
    EXPECT_EQ(none.error().code(), Code::kInvalidArgument);
    EXPECT_NE(none.error().message().find("listen: " + address), std::string::npos);
  }
  auto elsewhere = loop_->listen({.address = "192.0.2.1:0"}, {});
  ASSERT_FALSE(elsewhere);
  EXPECT_NE(elsewhere.error().message().find("no interface"), std::string::npos);
  auto nowhere = loop_->listen({.address = "unix:" + directory_.file("no/such/s")}, {});
  EXPECT_FALSE(nowhere);
}

TEST_P(LoopListener, WhoConnectsWaitsWhileNothingIsAccepted) {
  ASSERT_TRUE(listen({.address = "127.0.0.1:0"}));
  Descriptor first = connect_to(listener_->address());
  ASSERT_TRUE(await_accepted(1));
  run_on(*loop_, [this] { listener_->set_accepting(false); });
  run_on(*loop_, [] {});
  Descriptor second = connect_to(listener_->address());
  send_all(second.number(), "x");
  // Some turns of the loop, and a connection of its own: it would have been accepted by then.
  for (int turn = 0; turn < 20; ++turn) run_on(*loop_, [] {});
  EXPECT_EQ(count_, 1);
  run_on(*loop_, [this] { listener_->set_accepting(true); });
  EXPECT_TRUE(await_accepted(2));
  run_on(*loop_, [this] {
    listener_->set_accepting(false);
    listener_->set_accepting(true);  // before the first has had an effect
  });
  Descriptor third = connect_to(listener_->address());
  EXPECT_TRUE(await_accepted(3));
}

TEST_P(LoopListener, OutOfDescriptorsIsSaidOnceAndOvercome) {
  ASSERT_TRUE(listen({.address = "127.0.0.1:0"}));
  Descriptor first = connect_to(listener_->address());
  ASSERT_TRUE(await_accepted(1));
  Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const ::tlog::testing::SocketAddress address(listener_->address());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  // Below the lowest free number nothing can be opened.
  const int lowest = ::dup(client.number());
  ::close(lowest);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(lowest);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  const int connected = ::connect(client.number(), address.get(), address.length);
  const bool told = wait_until([&] { return troubles_ > 0; }, kPatience);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_EQ(connected, 0);
  ASSERT_TRUE(told);
  EXPECT_TRUE(await_accepted(2));
  run_on(*loop_, [this] {
    EXPECT_NE(trouble_.find("limit of open files"), std::string::npos) << trouble_;
  });
  EXPECT_EQ(troubles_, 1);
}

TEST_P(LoopListener, NothingIsLostInPauses) {
  ASSERT_TRUE(listen({.address = "unix:" + directory_.file("s")}));
  Descriptor client = connect_to(listener_->address());
  ASSERT_TRUE(await_accepted(1));
  std::atomic<int> pauses = 0;
  Socket* socket = accepted_.front().get();
  collect([&](ConstByteSpan) {
    if (++pauses % 3 == 0) return;
    socket->set_reading(false);
    if (pauses % 2 == 0) socket->set_reading(true);  // at once
    loop_->post([socket] { socket->set_reading(true); });
  });
  const std::string text = pattern(6 * kMiB);
  std::thread sender([&] { send_all(client.number(), text); });
  // From outside of the handlers too, wherever the receiving is.
  for (int round = 0; round < 200; ++round) {
    run_on(*loop_, [&] { socket->set_reading(false); });
    run_on(*loop_, [&] { socket->set_reading(true); });
  }
  EXPECT_TRUE(wait_until([&] { return received().size() >= text.size(); }, kPatience));
  sender.join();
  EXPECT_TRUE(received() == text);
  EXPECT_GT(pauses, 10);
}

TEST_P(LoopListener, APauseHoldsThePeersSendsBackAndHidesItsEnd) {
  ASSERT_TRUE(listen({.address = "127.0.0.1:0"}));
  Descriptor client = connect_to(listener_->address());
  ASSERT_TRUE(await_accepted(1));
  collect();
  run_on(*loop_, [this] { accepted_.front()->set_reading(false); });
  // Until the kernel takes no more: what is under way is bounded by the sockets' buffers.
  ASSERT_EQ(::fcntl(client.number(), F_SETFL, O_NONBLOCK), 0);
  const std::string text = pattern(kMiB);
  std::size_t sent = 0;
  ASSERT_TRUE(wait_until(
      [&] {
        const ssize_t now = ::send(client.number(), text.data() + sent % kMiB,
                                   text.size() - sent % kMiB, MSG_NOSIGNAL);
        if (now > 0) sent += static_cast<std::size_t>(now);
        EXPECT_LT(sent, 512 * kMiB);
        return now < 0 || sent >= 512 * kMiB;
      },
      kPatience));
  client.reset();
  EXPECT_EQ(received(), "");
  EXPECT_FALSE(end());
  run_on(*loop_, [this] { accepted_.front()->set_reading(true); });
  ASSERT_TRUE(wait_until([&] { return end().has_value(); }, kPatience));
  EXPECT_EQ(end()->code(), Code::kUnavailable) << end()->message();
  EXPECT_EQ(received().size(), sent);
}

TEST_P(LoopListener, BytesGoWhereTheHandlerWantsThem) {
  ASSERT_TRUE(listen({.address = "127.0.0.1:0"}));
  Descriptor client = connect_to(listener_->address());
  ASSERT_TRUE(await_accepted(1));
  auto into = std::make_shared<Buffer>(300'000);
  std::atomic<std::size_t> filled = 0;
  std::atomic<bool> misplaced = false;
  run_on(*loop_, [&] {
    accepted_.front()->start({.on_data =
                                  [&](ConstByteSpan bytes) {
                                    if (bytes.data() != into->data() + filled) misplaced = true;
                                    filled += bytes.size();
                                  },
                              .on_closed = [](const Error&) {},
                              .target = [&]() -> ReceiveTarget {
                                return {into->span().subspan(filled), into};
                              }});
  });
  const std::string text = pattern(into->size());
  send_all(client.number(), text);
  ASSERT_TRUE(wait_until([&] { return filled == text.size(); }, kPatience));
  EXPECT_FALSE(misplaced);
  EXPECT_EQ(std::memcmp(into->data(), text.data(), text.size()), 0);
}

// Its machine has lost its power: no segment is answered any more, not even by a reset.
void vanish(int descriptor) {
  sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
  sock_fprog program{1, &nothing};
  ASSERT_EQ(::setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), 0);
}

TEST_P(LoopListener, AVanishedPeerIsNoticedASlowReaderIsLeftAlone) {
  ASSERT_TRUE(listen({.address = "127.0.0.1:0"}));
  Descriptor idle = connect_to(listener_->address());
  ASSERT_TRUE(await_accepted(1));
  Descriptor sent_to = connect_to(listener_->address());
  ASSERT_TRUE(await_accepted(2));
  Descriptor slow = connect_to(listener_->address());
  ASSERT_TRUE(await_accepted(3));
  const std::string big = pattern(32 * kMiB);
  std::atomic<int> ended[3] = {0, 0, 0};
  run_on(*loop_, [&] {
    for (std::size_t i = 0; i < 3; ++i) {
      accepted_[i]->start({[](ConstByteSpan) {}, [&ended, i](const Error&) { ++ended[i]; }});
      accepted_[i]->end_when_peer_vanishes(3 * kSecond);
    }
    vanish(idle.number());
    vanish(sent_to.number());
    for (std::size_t i = 1; i < 3; ++i) {
      accepted_[i]->send({bytes_of(std::string_view(big))}, [](Status) {});
    }
  });
  EXPECT_TRUE(wait_until([&] { return ended[0] == 1 && ended[1] == 1; }, Milliseconds(40'000)));
  EXPECT_EQ(ended[2], 0);
  run_on(*loop_, [this] { accepted_.clear(); });
}

}  // namespace
}  // namespace tlog::io
