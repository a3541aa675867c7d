// Goal: what maxLag promises of what is stored is kept: aggregations are closed early enough,
// writers are slowed before it is broken and wait at it, or are refused; and a promise that is
// broken is said, until it is kept again. Method: the whole engine on six real servers, two of
// which are stopped (SIGSTOP), and a time of day that the test sets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "tests/fault/engine_on_servers.h"
#include "tests/support/set_clock.h"

namespace tlog::session {
namespace {

using config::LagLimit;
using config::OnLag;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using tlog::testing::EngineRig;
using tlog::testing::EngineRigOptions;
using tlog::testing::KeepingLogger;
using tlog::testing::SetClock;

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kMaxLag = 10 * kSecond;

class EngineLag : public EngineOnServers {
 protected:
  void start(OnLag on_lag, std::uint64_t stall_timeout_ns) {
    EngineRigOptions lagging = options();
    lagging.durability = config::Durability::kJournal;
    lagging.stall_timeout_ns = stall_timeout_ns;
    lagging.lag = {.max_ns = kMaxLag, .on_lag = on_lag};
    lagging.clock = &clock_;
    rig_ = std::make_unique<EngineRig>(lagging, io::system_files(), logger_);
    rig_->start();
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(write());
    Result<Sequence> stored = vdisk().flush_to_stores(20 * kSecond);
    ASSERT_TRUE(stored) << stored.error().message();
  }
  void TearDown() override {
    if (fleet_) go_on();
    rig_.reset();
  }
  Vdisk& vdisk() { return rig_->vdisk(); }
  Status write(std::size_t length = 4096) {
    const std::vector<std::byte> data(length, std::byte{1});
    return vdisk().write(0, data, false);
  }
  // From now on nothing is stored.
  void stop_two() {
    server(0).pause();
    server(1).pause();
  }
  void go_on() {
    server(0).resume();
    server(1).resume();
  }

  SetClock clock_;
  KeepingLogger logger_;
  std::unique_ptr<EngineRig> rig_;
};

TEST_F(EngineLag, writers_are_slowed_before_it_is_broken) {
  start(OnLag::kThrottle, kSecond);
  stop_two();
  ASSERT_TRUE(write());
  clock_.advance(kMaxLag / 100 * 74);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(write());
  EXPECT_EQ(vdisk().status().slowed, 0U) << "not before three quarters";
  clock_.advance(kMaxLag / 100 * 12);
  // Large ones, each of which takes its time at the rate that was seen.
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(write(256 * kKiB)) << "slower, but it goes on";
  const VdiskStatus status = vdisk().status();
  EXPECT_GT(status.slowed, 0U);
  EXPECT_EQ(status.stalls, 0U);
  EXPECT_THAT(status.alarms, IsEmpty());
  EXPECT_FALSE(logger_.has("event=lag_alarm"));
}

TEST_F(EngineLag, at_it_writers_wait_until_it_is_kept_again) {
  start(OnLag::kThrottle, 60 * kSecond);
  stop_two();
  ASSERT_TRUE(write());
  clock_.advance(kMaxLag + kSecond);
  auto writing = std::async(std::launch::async, [&] { return write(); });
  ASSERT_TRUE(wait_for([&] { return vdisk().status().stalls > 0; }));
  ASSERT_TRUE(wait_for([&] { return !vdisk().status().alarms.empty(); }));
  EXPECT_NE(writing.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  EXPECT_TRUE(vdisk().flush()) << "what was answered is in the journal";
  go_on();
  Status written = writing.get();
  EXPECT_TRUE(written) << written.error().message();
  ASSERT_TRUE(wait_for([&] { return vdisk().status().alarms.empty(); }));
  EXPECT_TRUE(write());
}

TEST_F(EngineLag, who_waits_longer_than_stall_timeout_is_told_which_promise_and_why) {
  start(OnLag::kThrottle, kSecond / 2);
  stop_two();
  ASSERT_TRUE(write());
  clock_.advance(kMaxLag);
  // The servers' own timeouts may not be over at the first.
  Status failed;
  ASSERT_TRUE(wait_for([&] {
    failed = write();
    return !failed && failed.error().message().find("stores reachable") != std::string::npos;
  }));
  EXPECT_EQ(failed.error().code(), Code::kTimeout);
  EXPECT_THAT(failed.error().message(), HasSubstr("held back for stallTimeout (500ms)"));
  EXPECT_THAT(failed.error().message(), HasSubstr("not stored within tlog.maxLag (10s)"));
  EXPECT_THAT(failed.error().message(), HasSubstr("4 of 6 stores reachable, 5 needed"));
  EXPECT_EQ(vdisk().status().state, State::kServing);
  go_on();
  EXPECT_TRUE(wait_for([&] { return write().has_value(); })) << "it is not opened again";
}

TEST_F(EngineLag, an_alarm_begins_and_ends_and_holds_nobody_up) {
  start(OnLag::kAlarm, 60 * kSecond);
  EXPECT_THAT(vdisk().status().alarms, IsEmpty());
  stop_two();
  ASSERT_TRUE(write());
  clock_.advance(kMaxLag + kSecond);
  ASSERT_TRUE(wait_for([&] { return !vdisk().status().alarms.empty(); }));
  EXPECT_THAT(
      vdisk().status().alarms,
      ElementsAre(HasSubstr("not stored within tlog.maxLag (10s): the oldest such write is 11s")));
  EXPECT_TRUE(logger_.has("event=lag_alarm vdisk=vm1 what=stored lag=11s max=10s"));
  EXPECT_FALSE(logger_.has("event=lag_over"));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(write());
  EXPECT_EQ(vdisk().status().slowed, 0U);
  EXPECT_EQ(vdisk().status().stalls, 0U);
  go_on();
  ASSERT_TRUE(wait_for([&] { return vdisk().status().alarms.empty(); }));
  EXPECT_TRUE(logger_.has("event=lag_over vdisk=vm1 what=stored"));
}

TEST_F(EngineLag, a_write_is_refused_while_it_is_broken) {
  start(OnLag::kFail, 60 * kSecond);
  stop_two();
  ASSERT_TRUE(write());
  clock_.advance(kMaxLag);
  ASSERT_TRUE(write()) << "it is not broken yet";
  clock_.advance(1);
  Status failed = write();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Code::kUnavailable);
  EXPECT_THAT(failed.error().message(), HasSubstr("refused (onLag: fail)"));
  EXPECT_THAT(failed.error().message(), HasSubstr("not stored within tlog.maxLag (10s)"));
  EXPECT_FALSE(vdisk().discard(0, 4096, false));
  std::vector<std::byte> data(4096);
  EXPECT_TRUE(vdisk().read(0, data)) << "reads go on";
  EXPECT_TRUE(vdisk().flush()) << "what was answered is in the journal";
  go_on();
  EXPECT_TRUE(wait_for([&] { return write().has_value(); })) << "it is not opened again";
}

TEST_F(EngineLag, a_promise_may_be_given_and_taken_back_while_it_serves) {
  start(OnLag::kFail, 60 * kSecond);
  stop_two();
  ASSERT_TRUE(write());
  clock_.advance(kMaxLag + kSecond);
  ASSERT_FALSE(write());
  auto promise = [&](const LagLimit& lag) {
    config::Config wanted = *rig_->engine().configuration();
    wanted.vdisks[0].tlog.lag = lag;
    EXPECT_THAT(rig_->engine().reconfigure(wanted), IsEmpty());
  };
  promise({});
  EXPECT_TRUE(write());
  EXPECT_TRUE(wait_for([&] { return vdisk().status().alarms.empty(); }));
  promise({.max_ns = kMaxLag, .on_lag = OnLag::kFail});
  EXPECT_FALSE(write());
  EXPECT_TRUE(wait_for([&] { return !vdisk().status().alarms.empty(); }));
  promise({.max_ns = 2 * kMaxLag, .on_lag = OnLag::kFail});
  EXPECT_TRUE(write());
}

// Nobody waits for it, and flushTime is an hour.
TEST_F(EngineLag, what_has_gathered_is_stored_within_a_quarter_of_it) {
  EngineRigOptions patient = options();
  patient.durability = config::Durability::kJournal;
  patient.flush_size = 1000;
  patient.flush_time_ns = 3600 * kSecond;
  patient.lag = {.max_ns = kSecond, .on_lag = OnLag::kAlarm};
  rig_ = std::make_unique<EngineRig>(patient);
  rig_->start();
  ASSERT_TRUE(write());
  EXPECT_TRUE(wait_for([&] { return vdisk().status().watermarks.stored == 1; }));
}

}  // namespace
}  // namespace tlog::session
