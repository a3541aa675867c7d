// Clients that are gone at the wrong moment, and a server that ends at one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <future>
#include <set>
#include <thread>
#include <utility>

#include "tests/fault/server/server_rig.h"
#include "tlog/store/stores.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kSlowNs = 50'000'000;

// Opens the stores of one vdisk when it is told to, so that a test can do things meanwhile.
class HeldOpening {
 public:
  HeldOpening(ServerRig& rig, const std::string& held) : rig_(rig) {
    rig.make_store = [this, held](const std::string& vdisk, unsigned index, io::Loop& loop) {
      if (vdisk == held) {
        begun_ = true;
        rig_.wait_until([this] { return goes_on_.load(); });
      }
      return store::make_memory_store(vdisk, loop, rig_.contents(vdisk).stores[index]);
    };
  }
  ~HeldOpening() { go_on(); }
  HeldOpening(const HeldOpening&) = delete;
  HeldOpening& operator=(const HeldOpening&) = delete;

  void wait_until_begun() {
    EXPECT_TRUE(rig_.wait_until([this] { return begun_.load(); }));
  }
  void go_on() { goes_on_ = true; }

 private:
  ServerRig& rig_;
  std::atomic<bool> begun_{false};
  std::atomic<bool> goes_on_{false};
};

TEST(Vanish, while_its_log_is_opened) {
  ServerRig rig;
  HeldOpening opening(rig, "vm1");
  {
    SessionClient gone = rig.client("vm1", 1);
    gone.control().say(rig.hello("vm1", 1));
    opening.wait_until_begun();
  }
  opening.go_on();
  SessionClient other = rig.client("vm1", 2);
  EXPECT_EQ(refused(other).code, Code::kFenced);
  SessionClient back = rig.client("vm1", 1);
  EXPECT_EQ(back.enter().epoch, 1u) << "what was opened for it is there";
  back.write(3);
  EXPECT_EQ(back.flush(3), 3u);
}

TEST(Vanish, and_is_back_while_its_log_is_opened) {
  ServerRig rig;
  HeldOpening opening(rig, "vm1");
  SessionClient half_open = rig.client("vm1", 1);
  half_open.control().say(rig.hello("vm1", 1));
  opening.wait_until_begun();
  SessionClient back = rig.client("vm1", 1);
  std::thread later([&] { opening.go_on(); });
  back.enter();
  later.join();
  back.write(3);
  EXPECT_EQ(back.flush(3), 3u);
  rig.expect_log("vm1", back.model());
}

// It is fenced by the stores, and only then: until that is known nobody else is.
TEST(Vanish, whose_log_is_opened_by_another_one_is_not_fenced_by_that) {
  ServerRig rig;
  SessionClient owner = rig.client("vm1", 1);
  owner.enter();
  owner.write(3);
  EXPECT_EQ(owner.flush(3), 3u);
  owner.say_goodbye();
  EXPECT_TRUE(rig.wait_until([&] { return rig.server().status().sessions.empty(); }));
  HeldOpening opening(rig, "vm1");
  SessionClient other = rig.client("vm1", 2);
  other.control().say(rig.hello("vm1", 2));
  opening.wait_until_begun();
  SessionClient back = rig.client("vm1", 1);
  back.control().say(rig.hello("vm1", 1));
  EXPECT_FALSE(back.control().has_something(300)) << "nobody knows yet whose log it is";
  opening.go_on();
  EXPECT_EQ(other.control().expect<protocol::Refusal>().code, Code::kFenced);
  EXPECT_EQ(back.control().expect<protocol::Welcome>().received, 3u);
}

TEST(Vanish, while_it_takes_over) {
  ServerRig rig;
  SessionClient first = rig.client("vm1", 1);
  first.enter();
  first.write(5);
  first.wait_received(5);
  rig.contents("vm1").delay(kSlowNs);
  protocol::Hello hello = rig.hello("vm1", 2);
  hello.take_over = true;
  {
    SessionClient gone(rig.address(), hello);
    gone.control().say(hello);
    EXPECT_EQ(first.wait_disconnected().code, Code::kFenced);
  }
  rig.contents("vm1").delay(0);
  SessionClient back(rig.address(), hello);
  EXPECT_EQ(back.enter().stored.sequence, 5u);
  back.adopt(first.model());
  back.write(5);
  EXPECT_EQ(back.flush(10), 10u);
  rig.expect_log("vm1", back.model());
}

// A flush may have been answered by what so many servers have received: nobody else has it then.
TEST(Vanish, while_its_stores_are_away_and_what_was_received_is_kept) {
  for (const bool says_goodbye : {false, true}) {
    ServerRig rig([](server::ServerOptions& options) { options.linger_ns = 50'000'000; });
    SessionClient gone = rig.client("vm1", 1);
    gone.enter();
    rig.contents("vm1").refuse(true);
    gone.write(5);
    gone.wait_received(5);
    if (says_goodbye) {
      gone.say_goodbye();
    } else {
      gone.control().close();
    }
    ASSERT_TRUE(rig.wait_until([&] { return rig.logger().has("event=storing_before_closing"); }));
    // Its log is neither closed without them, nor held against who comes next.
    SessionClient other = rig.client("vm1", 2);
    other.control().say(rig.hello("vm1", 2));
    EXPECT_FALSE(other.control().has_something(300));
    rig.contents("vm1").refuse(false);
    EXPECT_EQ(other.control().expect<protocol::Refusal>().code, Code::kFenced)
        << "by the stores, which know who wrote it";
    rig.expect_log("vm1", gone.model());
  }
}

TEST(Vanish, while_its_stores_are_away_and_comes_back) {
  ServerRig rig([](server::ServerOptions& options) { options.linger_ns = 0; });
  SessionClient gone = rig.client("vm1", 1);
  gone.enter();
  rig.contents("vm1").refuse(true);
  gone.write(5);
  gone.wait_received(5);
  gone.control().close();
  ASSERT_TRUE(rig.wait_until([&] { return rig.logger().has("event=storing_before_closing"); }));
  SessionClient back = rig.client("vm1", 1);
  EXPECT_EQ(back.enter().received, 5u);
  EXPECT_EQ(back.welcome().stored.sequence, 0u);
  back.adopt(gone.model());
  rig.contents("vm1").refuse(false);
  back.write(2);
  EXPECT_EQ(back.flush(7), 7u);
  rig.expect_log("vm1", back.model());
}

// What was verified before a wrong hash may have answered a flush, too.
TEST(Vanish, after_a_wrong_hash_while_its_stores_are_away) {
  ServerRig rig;
  SessionClient client = rig.client("vm1", 1);
  client.enter();
  rig.contents("vm1").refuse(true);
  client.write(5);
  client.wait_received(5);
  client.write_wrong({.hash = true});
  EXPECT_EQ(client.wait_disconnected().code, Code::kCorruption);
  ASSERT_TRUE(rig.wait_until([&] { return rig.logger().has("event=storing_before_closing"); }));
  const auto away = [&] { return rig.server().status().sessions; };
  EXPECT_EQ(away().size(), 1u);
  rig.contents("vm1").refuse(false);
  EXPECT_TRUE(rig.wait_until([&] { return away().empty(); }));
  auto model = client.model();
  model.resize(5);
  rig.expect_log("vm1", model);
}

TEST(Vanish, with_its_control_connection_only) {
  ServerRig rig;
  SessionClient client = rig.client();
  client.enter();
  client.write(4);
  client.wait_received(4);
  client.control().close();
  client.data().wait_closed();
  SessionClient back = rig.client();
  EXPECT_EQ(back.enter().received, 4u);
}

// Keeps a rig's workers busy, so that nothing that was taken is verified meanwhile.
class BusyWorkers {
 public:
  explicit BusyWorkers(ServerRig& rig) {
    const std::shared_future<void> ended = over_.get_future().share();
    for (unsigned i = 0; i < kMany; ++i) rig.workers().submit([ended] { ended.wait(); });
  }
  ~BusyWorkers() { end(); }
  BusyWorkers(const BusyWorkers&) = delete;
  BusyWorkers& operator=(const BusyWorkers&) = delete;
  void end() {
    if (!std::exchange(is_over_, true)) over_.set_value();
  }

 private:
  static constexpr unsigned kMany = 16;  // more than a rig has
  std::promise<void> over_;
  bool is_over_ = false;
};

// What it had sent before counts as received only after it is back: it is told of no more than it
// has sent on this connection, or would have to take the log for another one's.
TEST(Vanish, and_is_back_before_what_it_sent_was_verified) {
  ServerRig rig([](server::ServerOptions& options) { options.flush_time_ns = kSlowNs; });
  SessionClient gone = rig.client();
  gone.enter();
  BusyWorkers busy(rig);
  for (unsigned i = 0; i < 5; ++i) gone.write(1);
  EXPECT_TRUE(rig.wait_until([&] { return rig.session().records == 5; }));
  SessionClient back = rig.client();
  EXPECT_EQ(back.enter().received, 0u);
  busy.end();
  back.adopt(gone.model());
  back.resend(1, 2);
  EXPECT_EQ(back.wait_stored(2).received, 2u);
  back.resend(3, 5);
  EXPECT_EQ(back.wait_stored(5).received, 5u);
  back.write(5);
  EXPECT_EQ(back.flush(10), 10u);
  rig.expect_log("vm1", back.model());
}

// Logs that linger cost what open ones do: who opens and leaves again and again is bounded, too.
TEST(Vanish, and_keep_the_room_until_they_are_back) {
  ServerRig rig([](server::ServerOptions& options) { options.sessions_max = 2; });
  for (const char* vdisk : {"vm1", "vm2"}) {
    SessionClient gone = rig.client(vdisk);
    gone.enter();
  }
  SessionClient third = rig.client("vm3");
  EXPECT_THAT(refused(third).reason, HasSubstr("2 sessions are open or linger"));
  SessionClient reader(rig.address(), rig.reader("vm1"));
  EXPECT_EQ(refused(reader).code, Code::kUnavailable);
  SessionClient back = rig.client("vm2");
  back.enter();
}

// The reading before may still be under way when the next one begins.
void read_on_another_connection(SessionClient& client, const std::vector<SentRecord>& model) {
  for (std::uint64_t round = 0; round < 4; ++round) {
    client.control().say(protocol::ReadLog{.id = 1'000 + round, .first = 1, .last = model.size()});
    ASSERT_TRUE(client.data().has_something(FrameClient::kPatienceMs));
    client.attach();
    const auto reply = client.control().expect<protocol::Reply>();
    EXPECT_EQ(reply.id, 1'000 + round);
    ASSERT_TRUE(reply.error) << "not all of it was sent";
    EXPECT_EQ(reply.error->code(), Code::kUnavailable);
  }
  EXPECT_TRUE(client.read(1, model.size()) == model);
}

TEST(Vanish, with_its_data_connection_in_the_middle_of_a_reading) {
  ServerRig rig;
  SessionClient writer = rig.client();
  writer.enter();
  for (int i = 0; i < 8; ++i) writer.write(25, 32 * kKiB);
  writer.wait_stored(200);
  read_on_another_connection(writer, writer.model());
  SessionClient reader(rig.address(), rig.reader());
  reader.enter();
  read_on_another_connection(reader, writer.model());
  writer.write(1);
  EXPECT_EQ(writer.flush(201), 201u);
}

TEST(Vanish, a_server_in_the_middle_of_a_reading) {
  ServerRig rig;
  SessionClient client = rig.client();
  client.enter();
  client.write(30);
  EXPECT_EQ(client.flush(30), 30u);
  rig.contents("vm1").delay(10 * kSlowNs);
  client.control().say(protocol::ReadLog{.id = 9, .first = 1, .last = 30});
  client.ask(protocol::StatusRequest{});  // it was seen
  client.control().close();
  // The log is not closed while it is read, so that it is still there at the end of all.
  rig.stop(0);
  rig.kill();
  rig.contents("vm1").delay(0);
  rig.start();
  SessionClient again = rig.client();
  EXPECT_EQ(again.enter().stored.sequence, 30u);
  rig.expect_log("vm1", client.model());
}

TEST(Vanish, a_server_whose_log_is_read_again_and_again) {
  ServerRig rig;
  SessionClient client = rig.client();
  client.enter();
  client.write(25, 512);
  client.wait_stored(25);
  client.write(5);
  client.wait_received(30);
  std::thread taking([&] {
    while (client.data().receive()) continue;
  });
  protocol::ReadLog request{.id = 100, .first = 1, .last = 25};
  for (; request.id < 112; ++request.id) client.control().say(request);
  bool all_stored = false;
  std::thread stopping([&] { all_stored = rig.stop(5'000'000'000); });
  // One is asked for as soon as another is answered, so that some always wait.
  for (bool is_served = true; is_served; ++request.id) {
    const auto message = client.control().hear();
    is_served = message && !std::holds_alternative<protocol::Disconnect>(*message);
    if (is_served && std::holds_alternative<protocol::Reply>(*message))
      client.control().say(request);
  }
  client.control().leave();
  stopping.join();
  taking.join();
  EXPECT_TRUE(all_stored);
  rig.kill();
  rig.expect_log("vm1", client.model());
}

TEST(Vanish, a_server_that_opens_a_log) {
  ServerRig rig;
  HeldOpening opening(rig, "slow");
  SessionClient good = rig.client("good", 2);
  good.enter();
  good.write(5);
  good.wait_received(5);
  SessionClient slow = rig.client("slow");
  slow.control().say(rig.hello("slow"));
  opening.wait_until_begun();
  EXPECT_TRUE(rig.stop()) << "what is only being opened has nothing to be stored";
  EXPECT_EQ(slow.control().expect<protocol::Refusal>().code, Code::kShutdown);
  opening.go_on();
  rig.kill();
  rig.expect_log("good", good.model());
}

// More of them than there are threads for it: nobody waits for those that have not begun.
TEST(Vanish, a_server_that_was_to_open_many_logs) {
  constexpr unsigned kAtOnce = 16;
  ServerRig rig;
  Mutex mutex;
  std::set<std::string> begun;
  std::atomic<bool> goes_on{false};
  rig.make_store = [&](const std::string& vdisk, unsigned index, io::Loop& loop) {
    {
      MutexLock lock(mutex);
      begun.insert(vdisk);
    }
    rig.wait_until([&] { return goes_on.load(); });
    return store::make_memory_store(vdisk, loop, rig.contents(vdisk).stores[index]);
  };
  const auto count = [&] {
    MutexLock lock(mutex);
    return begun.size();
  };
  std::deque<SessionClient> clients;
  for (unsigned i = 0; i < kAtOnce + 4; ++i) {
    const protocol::Hello hello = rig.hello("vm" + std::to_string(i));
    clients.emplace_back(rig.address(), hello).control().say(hello);
  }
  EXPECT_TRUE(rig.wait_until([&] { return count() == kAtOnce; }));
  EXPECT_TRUE(rig.stop());
  goes_on = true;
  rig.kill();
  EXPECT_EQ(count(), kAtOnce);
}

}  // namespace
}  // namespace tlog::testing
