// Goal: a server that dies just before it says that something is stored, or just after, has lost
// nothing that it said, and what is sent again is stored once. Method: stores that let so many
// calls through and hold the others, so that the server stands at that very line; there it is
// killed, looked into without it, and started again. Every number of calls in turn.
#include <gtest/gtest.h>

#include "tests/fault/server/server_rig.h"
#include "tlog/store/stores.h"

namespace tlog::testing {
namespace {

// What all stores of the rig share: which of their calls are held, and how many.
class Gate {
 public:
  enum class Holds {
    kNothing,
    kPuts,        // not done: as if they had never left the server
    kPutAnswers,  // done, and not answered: the server does not know
    kGets,
  };
  void hold(Holds what, unsigned behind) {
    MutexLock lock(mutex_);
    holds_ = what;
    left_ = behind;
    held_ = 0;
  }
  // Whether this call is one of those that are held.
  bool holds(Holds what) {
    MutexLock lock(mutex_);
    if (holds_ != what) return false;
    if (left_ == 0) return true;
    --left_;
    return false;
  }
  void keep(std::function<void()> fail_it) {
    MutexLock lock(mutex_);
    kept_.push_back(std::move(fail_it));
    ++held_;
  }
  // Its process ends: nobody waits for an answer any more.
  void end(io::Loop& loop) {
    MutexLock lock(mutex_);
    for (auto& fail_it : kept_) loop.post(std::move(fail_it));
    kept_.clear();
  }
  unsigned held() const {
    MutexLock lock(mutex_);
    return held_;
  }

 private:
  mutable Mutex mutex_;
  Holds holds_ GUARDED_BY(mutex_) = Holds::kNothing;
  unsigned left_ GUARDED_BY(mutex_) = 0;
  unsigned held_ GUARDED_BY(mutex_) = 0;
  std::vector<std::function<void()>> kept_ GUARDED_BY(mutex_);
};

class GatedStore final : public store::Store {
 public:
  GatedStore(std::unique_ptr<store::Store> inner, Gate& gate, io::Loop& loop)
      : inner_(std::move(inner)), gate_(gate), loop_(loop) {}

  void put(std::string key, std::vector<ConstByteSpan> pieces, store::PutOptions options,
           store::PutDone done) override {
    const auto keep = [&] { gate_.keep([done] { done(ended()); }); };
    if (gate_.holds(Gate::Holds::kPuts)) return keep();
    if (gate_.holds(Gate::Holds::kPutAnswers)) {
      keep();
      done = [](const Status&) {};
    }
    inner_->put(std::move(key), std::move(pieces), options, std::move(done));
  }
  void get(std::string key, store::GetDone done) override {
    if (gate_.holds(Gate::Holds::kGets)) return gate_.keep([done] { done(ended()); });
    inner_->get(std::move(key), std::move(done));
  }
  void stat(std::string key, store::StatDone done) override {
    inner_->stat(std::move(key), std::move(done));
  }
  void remove(std::string key, store::PutDone done) override {
    inner_->remove(std::move(key), std::move(done));
  }
  void scan(std::string prefix, std::string after, std::size_t limit,
            store::ScanDone done) override {
    inner_->scan(std::move(prefix), std::move(after), limit, std::move(done));
  }
  void hurry() override { inner_->hurry(); }
  store::StoreStatus status() const override { return inner_->status(); }
  const std::string& name() const override { return inner_->name(); }
  void close(std::function<void()> done) override {
    gate_.end(loop_);
    inner_->close(std::move(done));
  }

 private:
  static tl::unexpected<Error> ended() { return fail(Code::kUnavailable, "the server has died"); }

  const std::unique_ptr<store::Store> inner_;
  Gate& gate_;
  io::Loop& loop_;
};

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
    gate.hold(holds, let_through);
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
  Gate gate;
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
