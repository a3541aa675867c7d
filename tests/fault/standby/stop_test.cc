// Nobody who waits for the standby holds up the end of the vdisk.
#include <future>

#include "tests/fault/standby/two_clusters.h"

namespace tlog::standby {

class StandbyStop : public TwoClusters {
 protected:
  // How long they would wait for what does not come.
  static constexpr std::uint64_t kPatienceNs = 100 * kSecondNs;

  void SetUp() override {
    TwoClusters::SetUp();
    if (IsSkipped()) return;
    start(options());
    write_some(20);
    ASSERT_TRUE(in_sync());
  }
  // Ends the waiting, before or after it has begun, and answers what was waited for.
  template <class T>
  Result<T> ended(std::future<Result<T>> waiting) {
    rig_->engine().stop_waiting();
    return waiting.get();
  }
};

TEST_F(StandbyStop, a_wait_for_a_dead_standby_ends) {
  kill_all(*standby_);
  write_some(5);
  auto waiting =
      std::async(std::launch::async, [&] { return vdisk().wait_slave_sync(kPatienceNs); });
  const auto synced = ended(std::move(waiting));
  ASSERT_FALSE(synced);
  EXPECT_NE(synced.error().code(), Code::kTimeout) << synced.error().message();
}

TEST_F(StandbyStop, a_wait_for_a_dead_log_ends) {
  kill_all(*log_);
  const std::vector<std::byte> bytes(kBlockSize, std::byte{1});
  ASSERT_TRUE(vdisk().write(0, bytes, false));
  auto waiting =
      std::async(std::launch::async, [&] { return vdisk().wait_slave_sync(kPatienceNs); });
  const auto synced = ended(std::move(waiting));
  ASSERT_FALSE(synced);
  EXPECT_EQ(synced.error().code(), Code::kShutdown) << synced.error().message();
}

TEST_F(StandbyStop, a_failover_that_waits_is_given_up) {
  kill_all(*standby_);
  write_some(5);
  auto waiting = std::async(std::launch::async,
                            [&] { return vdisk().fail_over({.timeout_ns = kPatienceNs}); });
  ASSERT_TRUE(becomes(StandbyState::kFailingOver));
  const auto receipt = ended(std::move(waiting));
  ASSERT_FALSE(receipt);
  EXPECT_NE(receipt.error().code(), Code::kTimeout) << receipt.error().message();
  EXPECT_EQ(standby_status().active, "blocks");
}

}  // namespace tlog::standby
