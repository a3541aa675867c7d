// Goal: a server that dies just before it says that something is stored, or just after, has lost
// nothing that it said, and what is sent again is stored once. Method: stores that let so many
// calls through and hold the others, so that the server stands at that very line; there it is
// killed, looked into without it, and started again. Every number of calls in turn.
#include <gtest/gtest.h>

#include "tests/fault/server/server_rig.h"
#include "tests/support/gated_store.h"
#include "tlog/store/stores.h"

namespace tlog::testing {
namespace {

class KillMoments : public ::testing::Test {
 protected:
  static constexpr unsigned kQuorum = 5;  // of the six
  KillMoments() {
    rig.make_store = [this](const std::string& vdisk, unsigned index, io::Loop& loop) {
      return std::make_unique<GatedStore>(
          store::make_memory_store("memory " + std::to_string(index), loop,
                                   rig.contents(vdisk).stores[index]),
          gate, loop);
    };
    rig.options().flush_time_ns = 3'600'000'000'000;  // stored is what is asked for
    rig.start();
  }

  // A client of the same journal, which sends again what the server does not have.
  void come_back(SessionClient& client) {
    client.adopt(model);
    client.enter();
    EXPECT_GE(client.welcome().received, told) << "it was said to be stored";
    if (client.sent() < model.size()) client.resend(client.sent() + 1, model.size());
    if (model.empty()) return;
    EXPECT_EQ(client.flush(model.size()), model.size());
  }
  void note(const protocol::Message& message) {
    if (const auto* news = std::get_if<protocol::Progress>(&message))
      told = std::max(told, news->stored);
    const auto* reply = std::get_if<protocol::Reply>(&message);
    if (reply == nullptr || reply->id != kFlush) return;
    ASSERT_FALSE(reply->error.has_value());
    told = std::max(told, reply->sequences.at(0));
    replied = true;
  }
  // What the server has said by now: what is asked last is answered last.
  void hear_all(SessionClient& client) {
    client.control().say(protocol::StatusRequest{.id = kStatus});
    for (;;) {
      const auto message = client.control().hear();
      ASSERT_TRUE(message.has_value());
      const auto* reply = std::get_if<protocol::Reply>(&*message);
      if (reply != nullptr && reply->id == kStatus) return;
      note(*message);
    }
  }
  void expect_nothing_lost() {
    const std::vector<SentRecord> stored = rig.read_stores("vm1");
    EXPECT_GE(stored.size(), told);
    ASSERT_LE(stored.size(), model.size());
    EXPECT_TRUE(std::equal(stored.begin(), stored.end(), model.begin()));
  }
  void flush_and_kill(Gate::Holds holds, unsigned let_through) {
    SessionClient client = rig.client();
    come_back(client);
    gate.hold(holds, let_through, true);
    client.write(20);
    model = client.model();
    replied = false;
    client.control().say(protocol::ForceFlush{.id = kFlush, .sequence = client.sent()});
    if (let_through >= kQuorum) {
      while (!replied) note(client.control().hear().value());
    } else {
      const unsigned held = kRigStores - let_through;
      EXPECT_TRUE(rig.wait_until([&] { return gate.held() == held; }));
      hear_all(client);
      EXPECT_FALSE(replied) << "too few stores have it";
    }
    rig.kill();
    gate.hold(Gate::Holds::kNothing, 0);
    expect_nothing_lost();
    rig.start();
  }

  static constexpr std::uint64_t kFlush = 1001;
  static constexpr std::uint64_t kStatus = 1002;
  Gate gate{"vm1"};
  ServerRig rig;
  std::vector<SentRecord> model;
  Sequence told = 0;  // to be stored
  bool replied = false;
};

// Of ForceFlush.
TEST_F(KillMoments, at_the_reply_that_something_is_stored) {
  for (const Gate::Holds holds : {Gate::Holds::kPuts, Gate::Holds::kPutAnswers}) {
    for (unsigned let_through = 0; let_through <= kRigStores; ++let_through) {
      SCOPED_TRACE(::testing::Message() << "behind " << let_through << " puts, answers only: "
                                        << (holds == Gate::Holds::kPutAnswers));
      flush_and_kill(holds, let_through);
      if (HasFatalFailure()) return;
    }
  }
  SessionClient client = rig.client();
  come_back(client);
  rig.kill();
  rig.expect_log("vm1", model);
}

// In the middle of what ReadLog gives, and just before and behind it.
TEST_F(KillMoments, at_every_step_of_a_reading) {
  for (int i = 0; i < 3; ++i) {
    SessionClient client = rig.client();
    come_back(client);
    client.write(20);
    model = client.model();
    client.flush(client.sent());
  }
  bool through = false;
  for (unsigned let_through = 0; !through; ++let_through) {
    SCOPED_TRACE(let_through);
    ASSERT_LT(let_through, 200u);
    SessionClient client = rig.client();
    come_back(client);
    gate.hold(Gate::Holds::kGets, let_through);
    client.control().say(protocol::ReadLog{.id = kStatus, .first = 1, .last = model.size()});
    std::vector<SentRecord> given;
    const auto take = [&] {
      while (client.data().has_something(0)) {
        auto batch = protocol::decode_batch(std::move(client.data().receive()->body));
        for (SentRecord& each : sent_of(batch.value().batch.records)) given.push_back(each);
      }
      return given.size() == model.size();
    };
    EXPECT_TRUE(rig.wait_until([&] { return take() || gate.held() != 0; }));
    through = given.size() == model.size();
    gate.hold(Gate::Holds::kNothing, 0);
    gate.end(rig.loop());
    rig.kill();
    ASSERT_LE(given.size(), model.size());
    EXPECT_TRUE(std::equal(given.begin(), given.end(), model.begin()));
    rig.start();
    SessionClient again = rig.client();
    come_back(again);
    EXPECT_TRUE(again.read(1, model.size()) == model);
  }
}

}  // namespace
}  // namespace tlog::testing
