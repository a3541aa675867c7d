// Goal: what slaveStorage.maxLag promises of what is on the standby is kept as the one of what is
// stored is, and only while the standby is to follow. Method: the whole engine with two clusters of
// real servers, those of the standby stopped (SIGSTOP), and a time of day that the test sets.
#include "tests/fault/standby/two_clusters.h"
#include "tests/support/set_clock.h"

namespace tlog::standby {
namespace {

using config::OnLag;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kMaxLag = 10 * kSecondNs;

class StandbyLag : public TwoClusters {
 protected:
  void begin(OnLag on_lag, bool slave_sync = true) {
    EngineRigOptions lagging = options();
    lagging.slave_lag = {.max_ns = kMaxLag, .on_lag = on_lag};
    lagging.slave_sync = slave_sync;
    lagging.stall_timeout_ns = kSecondNs;
    lagging.clock = &clock_;
    start(lagging);
    write_some(20);
    if (!slave_sync) return;
    ASSERT_TRUE(vdisk().wait_slave_sync(20 * kSecondNs));
  }
  void TearDown() override {
    if (standby_) hold(false);
    rig_.reset();
  }
  void hold(bool held) {
    for (std::size_t i = 0; i < standby_->size(); ++i) {
      held ? (*standby_)[i].pause() : (*standby_)[i].resume();
    }
  }
  Status write() {
    const std::vector<std::byte> data(4096, std::byte{1});
    return vdisk().write(0, data, false);
  }
  // Stored, and not on the standby; known to be so.
  void write_behind() {
    hold(true);
    ASSERT_TRUE(write());
    ASSERT_TRUE(vdisk().flush_to_stores(20 * kSecondNs));
    ASSERT_TRUE(wait_for([&] { return standby_status().lag_records == 1; }));
    clock_.advance(1);
    ASSERT_TRUE(wait_for([&] { return standby_status().lag_ns > 0; }));
  }

  tlog::testing::SetClock clock_;
};

TEST_F(StandbyLag, an_alarm_begins_and_ends) {
  begin(OnLag::kAlarm);
  write_behind();
  EXPECT_THAT(vdisk().status().alarms, IsEmpty());
  clock_.advance(kMaxLag);
  ASSERT_TRUE(wait_for([&] { return !vdisk().status().alarms.empty(); }));
  EXPECT_THAT(vdisk().status().alarms,
              ElementsAre(HasSubstr("not on the standby within slaveStorage.maxLag (10s)")));
  ASSERT_TRUE(write());
  EXPECT_EQ(vdisk().status().slowed, 0U);
  hold(false);
  EXPECT_TRUE(wait_for([&] { return vdisk().status().alarms.empty(); }));
}

TEST_F(StandbyLag, a_write_is_refused_while_it_is_broken) {
  begin(OnLag::kFail);
  write_behind();
  EXPECT_TRUE(write());
  clock_.advance(kMaxLag);
  Status failed = write();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Code::kUnavailable);
  EXPECT_THAT(failed.error().message(), HasSubstr("slaveStorage.maxLag (10s)"));
  hold(false);
  EXPECT_TRUE(wait_for([&] { return write().has_value(); }));
}

TEST_F(StandbyLag, writers_are_slowed_before_it_is_broken_and_wait_at_it) {
  begin(OnLag::kThrottle);
  write_behind();
  const std::uint64_t slowed = vdisk().status().slowed;
  clock_.advance(kMaxLag / 100 * 86);
  EXPECT_TRUE(wait_for([&] { return write() && vdisk().status().slowed > slowed; }))
      << "slower, but it goes on";
  EXPECT_EQ(vdisk().status().stalls, 0U);
  EXPECT_THAT(vdisk().status().alarms, IsEmpty());
  clock_.advance(kMaxLag / 100 * 20);
  Status failed = write();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Code::kTimeout);
  EXPECT_THAT(failed.error().message(), HasSubstr("slaveStorage.maxLag (10s)"));
  EXPECT_GT(vdisk().status().stalls, 0U);
  hold(false);
  EXPECT_TRUE(wait_for([&] { return write().has_value(); }));
}

TEST_F(StandbyLag, nothing_is_promised_of_a_standby_that_is_not_to_follow) {
  begin(OnLag::kFail, /*slave_sync=*/false);
  ASSERT_TRUE(write());
  clock_.advance(10 * kMaxLag);
  EXPECT_TRUE(write());
  EXPECT_THAT(vdisk().status().alarms, IsEmpty());
}

}  // namespace
}  // namespace tlog::standby
