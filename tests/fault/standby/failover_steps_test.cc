// Goal: the process that serves a vdisk may die at any step of a failover. Method: an engine in a
// process of its own, which kills itself when a step begins, under a stamped writer; then another
// opening of the vdisk has everything that was answered, goes over or is there already, and in the
// end both clusters are equal block by block.
#include "tests/fault/standby/engine_process.h"
#include "tests/fault/standby/two_clusters.h"

namespace tlog::standby {
namespace {

using tlog::testing::StampedWriter;

constexpr Milliseconds kPatience(60'000);
constexpr int kKilled = 128 + 9;
constexpr std::uint64_t kBlocks = 256;
constexpr std::uint64_t kSeed = 42;

struct Way {
  bool automatic = false;
  bool is_back = false;         // from the standby to the primary
  bool active_is_dead = false;  // the cluster that is left, from before the failover on
};

class StandbyFailoverSteps : public TwoClusters {
 protected:
  void die_at_every_step(const Way& way) {
    for (const char* step : {"hold", "wait", "record", "switch", "receipt", "done"}) {
      SCOPED_TRACE(step);
      ASSERT_NO_FATAL_FAILURE(die_at(step, way));
    }
  }

 private:
  EngineRigOptions way_options(const Way& way) {
    EngineRigOptions options = this->options();
    options.failover_after_ns = way.automatic ? kSecondNs / 2 : 0;
    return options;
  }
  RedisFleet& left(const Way& way) { return way.is_back ? *standby_ : *primary_; }
  std::string left_name(const Way& way) const { return way.is_back ? "standby" : "blocks"; }

  // Planned; the cluster that is left follows.
  void go_over() {
    ASSERT_TRUE(in_sync());
    auto receipt = vdisk().fail_over({.keep_following = true});
    ASSERT_TRUE(receipt) << receipt.error().message();
    EXPECT_TRUE(receipt->lost.empty()) << receipt->text();
  }
  void make_active(const std::string& cluster) {
    start(options());
    ASSERT_NO_FATAL_FAILURE(go_over());
    ASSERT_EQ(standby_status().active, cluster);
    rig_->stop();
  }

  void die_at(const char* step, const Way& way) {
    if (way.is_back) {
      ASSERT_NO_FATAL_FAILURE(make_active("standby"));
    }
    const std::uint64_t before = writer_.answered();
    const TimestampNs began = system_clock().wall_ns();
    {
      EngineProcess engine({.directory = directory_.path(),
                            .servers = {.log = log_->addresses(),
                                        .primary = primary_->addresses(),
                                        .standby = standby_->addresses()},
                            .failover_after_ns = way_options(way).failover_after_ns,
                            .die_at = step,
                            .blocks = kBlocks,
                            .seed = kSeed},
                           writer_);
      ASSERT_TRUE(engine.is_up(kPatience)) << engine.log();
      ASSERT_EQ(engine.call("sync", kPatience), "+") << engine.log();
      if (way.active_is_dead) kill_all(left(way));
      if (!way.automatic) engine.ask(way.is_back ? "failback" : "failover");
      ASSERT_EQ(engine.ends(kPatience), kKilled) << engine.log();
    }
    EXPECT_GT(writer_.answered(), before) << "nothing was written meanwhile";
    recover(step, way, began);
  }

  void recover(const char* step, const Way& way, TimestampNs began) {
    start(way_options(way));
    if (std::string_view(step) == "done") {
      // What was answered from here on: the vdisk is there, and the receipt is on the disk.
      EXPECT_NE(standby_status().active, left_name(way));
      ASSERT_TRUE(standby_status().last_receipt);
      EXPECT_EQ(standby_status().last_receipt->from, left_name(way));
      EXPECT_GT(standby_status().last_receipt->began, began);
    }
    if (way.active_is_dead && standby_status().active == left_name(way)) {
      if (way.automatic) {
        ASSERT_TRUE(wait_for([&] { return standby_status().active != left_name(way); }))
            << standby_status().reason;
      } else {
        ASSERT_NO_FATAL_FAILURE(go_over());
      }
    }
    // Of the cluster that is active alone.
    ASSERT_EQ(writer_.check(vdisk(), true), "") << "active is " << standby_status().active;
    if (way.active_is_dead) start_all(left(way));
    ASSERT_TRUE(vdisk().resync({}));
    // There and back, or only back.
    do {
      const Status written = writer_.run(vdisk(), 50);
      ASSERT_TRUE(written) << written.error().message();
      ASSERT_NO_FATAL_FAILURE(go_over());
    } while (standby_status().active != "blocks");
    ASSERT_EQ(writer_.check(vdisk(), true), "");
    ASSERT_TRUE(settles());
    ASSERT_TRUE(in_sync());
    EXPECT_TRUE(sides_are_equal());
    rig_->stop();
  }

  StampedWriter writer_{kBlocks, kSeed};
};

TEST_F(StandbyFailoverSteps, asked_for_while_all_is_well) {
  die_at_every_step({});
}
TEST_F(StandbyFailoverSteps, asked_for_while_the_primary_is_dead) {
  die_at_every_step({.active_is_dead = true});
}
TEST_F(StandbyFailoverSteps, by_itself) {
  die_at_every_step({.automatic = true, .active_is_dead = true});
}
TEST_F(StandbyFailoverSteps, on_the_way_back) {
  die_at_every_step({.is_back = true});
}
TEST_F(StandbyFailoverSteps, on_the_way_back_while_the_standby_is_dead) {
  die_at_every_step({.is_back = true, .active_is_dead = true});
}

}  // namespace
}  // namespace tlog::standby
