// Goal: a vdisk is begun on the host that has the lease and nowhere else; who waits is told the
// reason and never waits for ever; a lease is given back only when nothing is left behind. Method:
// coordinators with a vdisk that does what the test says, and a real etcd.
#include "tlog/session/coordinator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/etcd_server.h"
#include "tlog/base/random.h"

namespace tlog::session {
namespace {

using ::testing::HasSubstr;
using tlog::testing::EtcdServer;
using tlog::testing::Milliseconds;
using tlog::testing::wait_until;

constexpr Milliseconds kSoon{60'000};

// A host with one vdisk.
class Host {
 public:
  Host(const EtcdServer& etcd, const std::string& name, CoordinatorTimes times = {},
       bool standby = false) {
    Coordinator::Parts parts;
    parts.vdisk = "vm1";
    parts.settings.etcd = {"http://" + etcd.address()};
    parts.settings.lease_ttl_ns = 3'000'000'000;
    parts.settings.standby = standby;
    parts.host = name;
    parts.clock = &system_clock();
    parts.logger = &null_logger();
    parts.look = [this] {
      MutexLock lock(mutex_);
      return local_;
    };
    parts.let_go = [this] { ++let_go; };
    parts.begin = [this](const TakeoverOptions& options, const TakeoverProgress&) -> Status {
      MutexLock lock(mutex_);
      ++begun_;
      ended_epoch_ = options.ended_epoch;
      while (is_held_up_ && !*options.stop) {
        held_up_.wait_until(mutex_, steady_now() + std::chrono::milliseconds(20));
      }
      if (!failure_.empty()) return fail(Code::kUnavailable, failure_);
      local_.is_open = true;
      local_.epoch = ++epochs;
      return {};
    };
    parts.retire = [this] {
      MutexLock lock(mutex_);
      local_ = {};
    };
    parts.times = times;
    coordinator = std::make_unique<Coordinator>(std::move(parts));
  }
  ~Host() { coordinator.reset(); }  // before what its threads call

  void start() { ASSERT_TRUE(coordinator->start()); }
  bool gets(LeaseState state) const {
    return wait_until([&] { return coordinator->status().state == state; }, kSoon);
  }
  void fail_beginnings(const std::string& why) {
    MutexLock lock(mutex_);
    failure_ = why;
  }
  void hold_beginnings_up(bool yes) {
    MutexLock lock(mutex_);
    is_held_up_ = yes;
    held_up_.notify_all();
  }
  void be_fenced() {
    MutexLock lock(mutex_);
    local_.is_open = false;
    local_.has_failed = local_.is_fenced = true;
    local_.reason = "host-x has taken the vdisk over";
  }
  void set_journal(const Uuid& journal) {
    MutexLock lock(mutex_);
    local_.journal = journal;
  }
  int begun() const {
    MutexLock lock(mutex_);
    return begun_;
  }
  Epoch ended_epoch() const {
    MutexLock lock(mutex_);
    return ended_epoch_;
  }

  std::atomic<int> let_go = 0;
  std::unique_ptr<Coordinator> coordinator;
  static inline std::atomic<Epoch> epochs = 0;

 private:
  mutable Mutex mutex_;
  CondVar held_up_;
  LocalVdisk local_ GUARDED_BY(mutex_);
  std::string failure_ GUARDED_BY(mutex_);
  bool is_held_up_ GUARDED_BY(mutex_) = false;
  int begun_ GUARDED_BY(mutex_) = 0;
  Epoch ended_epoch_ GUARDED_BY(mutex_) = 0;
};

class CoordinatorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdServer::available()) GTEST_SKIP() << "no etcd";
    etcd_ = std::make_unique<EtcdServer>();
  }
  std::string key() const { return etcd_->ctl({"get", "tlogdisk/writers/vm1"}); }
  std::unique_ptr<EtcdServer> etcd_;
};

TEST_F(CoordinatorTest, who_has_the_lease_begins_and_the_other_says_who_it_is) {
  Host a(*etcd_, "a");
  Host b(*etcd_, "b");
  a.start();
  EXPECT_TRUE(a.coordinator->admit());
  EXPECT_EQ(a.coordinator->status().holder, "a");
  b.start();
  const Status refused = b.coordinator->admit();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kUnavailable);
  EXPECT_THAT(refused.error().message(),
              HasSubstr("open: vdisk 'vm1' is served by host a (lease ends in "));
  EXPECT_EQ(b.begun(), 0);
  EXPECT_GT(b.let_go, 0);
  EXPECT_TRUE(wait_until(
      [&] { return key().find("\"host\":\"a\",\"epoch\":1") != std::string::npos; }, kSoon))
      << key();
  // Given back with everything stored: the other one goes on at once, and knows that it was so.
  a.coordinator->stop_beginning();
  a.coordinator->end(/*everything_stored=*/true, 77);
  EXPECT_TRUE(b.gets(LeaseState::kHeld));
  EXPECT_EQ(b.ended_epoch(), 77U);
}

TEST_F(CoordinatorTest, an_end_that_leaves_something_behind_does_not_give_the_lease_back) {
  Host a(*etcd_, "a");
  a.start();
  ASSERT_TRUE(a.gets(LeaseState::kHeld));
  a.coordinator->stop_beginning();
  a.coordinator->end(/*everything_stored=*/false, 77);
  EXPECT_THAT(key(), HasSubstr("\"host\":\"a\""));
  EXPECT_EQ(etcd_->ctl({"get", "tlogdisk/ended/vm1"}), "");
  Host b(*etcd_, "b");
  b.start();
  EXPECT_TRUE(b.gets(LeaseState::kHeld)) << "it ends by itself";
  EXPECT_EQ(b.ended_epoch(), 0U);
}

TEST_F(CoordinatorTest, who_cannot_begin_lets_the_other_try) {
  Host a(*etcd_, "a");
  Host b(*etcd_, "b");
  a.fail_beginnings("the log's end is undecided");
  a.start();
  ASSERT_TRUE(wait_until([&] { return a.begun() > 1; }, kSoon)) << "tried again";
  const Status refused = a.coordinator->admit();
  ASSERT_FALSE(refused);
  b.start();
  EXPECT_TRUE(b.gets(LeaseState::kHeld));
  EXPECT_TRUE(a.gets(LeaseState::kStandby));
  b.coordinator->stop_beginning();
  b.coordinator->end(true, 0);
  // Said between the tries.
  EXPECT_TRUE(wait_until(
      [&] {
        const LeaseStatus status = a.coordinator->status();
        return status.state == LeaseState::kRefused &&
               status.reason.find("undecided") != std::string::npos;
      },
      kSoon));
  a.fail_beginnings("");
  EXPECT_TRUE(a.gets(LeaseState::kHeld));
}

// The key of a process that died is of no use to anybody but the next life of that host.
TEST_F(CoordinatorTest, the_next_life_of_a_host_does_not_wait_for_its_own_lease) {
  const Uuid journal = system_random().next_uuid();
  auto a = std::make_unique<Host>(*etcd_, "a");
  a->set_journal(journal);
  a->start();
  ASSERT_TRUE(a->gets(LeaseState::kHeld));
  ASSERT_TRUE(wait_until([&] { return key().find(journal.text()) != std::string::npos; }, kSoon));
  a.reset();  // as if it were killed
  const std::string long_lease = etcd_->ctl({"lease", "grant", "3600"});
  const std::string id = long_lease.substr(6, long_lease.find(' ', 6) - 6);
  (void)etcd_->ctl({"put", "--lease=" + id, "tlogdisk/writers/vm1",
                    "{\"host\":\"a\",\"journal\":\"" + journal.text() + "\"}"});
  Host other(*etcd_, "a");  // of the same name, with another journal
  other.set_journal(system_random().next_uuid());
  other.start();
  ASSERT_TRUE(other.gets(LeaseState::kStandby));
  Host again(*etcd_, "a");
  again.set_journal(journal);
  again.start();
  EXPECT_TRUE(again.gets(LeaseState::kHeld));
  EXPECT_EQ(other.begun(), 0);
}

TEST_F(CoordinatorTest, an_operators_takeover_is_not_undone) {
  Host a(*etcd_, "a");
  a.start();
  ASSERT_TRUE(a.gets(LeaseState::kHeld));
  a.be_fenced();
  ASSERT_TRUE(a.gets(LeaseState::kRefused));
  EXPECT_THAT(a.coordinator->status().reason, HasSubstr("host-x"));
  EXPECT_EQ(key(), "");
  Host b(*etcd_, "b");
  b.start();
  ASSERT_TRUE(b.gets(LeaseState::kHeld));
  ASSERT_TRUE(a.gets(LeaseState::kStandby));
  EXPECT_EQ(a.begun(), 1);
  b.coordinator->stop_beginning();
  b.coordinator->end(true, 0);
  EXPECT_TRUE(a.gets(LeaseState::kHeld)) << "another host has had it in between";
}

TEST_F(CoordinatorTest, who_waits_is_served_refused_in_time_or_sent_away_at_the_end) {
  Host a(*etcd_, "a");
  a.start();
  ASSERT_TRUE(a.gets(LeaseState::kHeld));
  Host impatient(*etcd_, "b", {.standby_ns = 200'000'000}, /*standby=*/true);
  impatient.start();
  const Status late = impatient.coordinator->admit();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Code::kUnavailable);
  {
    Host patient(*etcd_, "c", {}, /*standby=*/true);
    patient.start();
    ASSERT_TRUE(patient.gets(LeaseState::kStandby));
    std::thread ending([&] { patient.coordinator->refuse(); });
    const Status ended = patient.coordinator->admit();
    ending.join();
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code(), Code::kShutdown);
  }
  impatient.coordinator.reset();
  Host patient(*etcd_, "d", {}, /*standby=*/true);
  patient.start();
  ASSERT_TRUE(patient.gets(LeaseState::kStandby));
  std::thread leaving([&] {
    a.coordinator->stop_beginning();
    a.coordinator->end(true, 0);
  });
  EXPECT_TRUE(patient.coordinator->admit());
  leaving.join();
}

// A beginning that takes long keeps its lease, and ends when the server does.
TEST_F(CoordinatorTest, a_long_beginning_is_waited_for_and_can_be_broken_off) {
  Host a(*etcd_, "a", {.begin_ns = 100'000'000});
  a.hold_beginnings_up(true);
  a.start();
  ASSERT_TRUE(a.gets(LeaseState::kBeginning));
  Host b(*etcd_, "b");
  b.start();
  ASSERT_TRUE(b.gets(LeaseState::kStandby));
  const Status waiting = a.coordinator->admit();
  ASSERT_FALSE(waiting);
  EXPECT_THAT(waiting.error().message(), HasSubstr("is being taken over or opened here"));
  a.fail_beginnings("broken off");
  a.coordinator->stop_beginning();
  a.coordinator->end(true, 0);
  EXPECT_TRUE(b.gets(LeaseState::kHeld));
}

TEST_F(CoordinatorTest, without_etcd_an_open_vdisk_goes_on_and_a_closed_one_stays_closed) {
  Host a(*etcd_, "a");
  a.start();
  ASSERT_TRUE(a.gets(LeaseState::kHeld));
  etcd_->kill();
  ASSERT_TRUE(a.gets(LeaseState::kLost));
  EXPECT_TRUE(a.coordinator->admit());
  Host b(*etcd_, "b");
  b.start();
  const Status refused = b.coordinator->admit();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("bring etcd back"));
  EXPECT_EQ(b.begun(), 0);
  etcd_->start();
  EXPECT_TRUE(a.gets(LeaseState::kHeld));
  EXPECT_EQ(a.begun(), 1);
}

}  // namespace
}  // namespace tlog::session
