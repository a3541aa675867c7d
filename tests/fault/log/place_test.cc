// Goal: which cluster has a vdisk's active blocks is known to every later writer once it has been
// answered, and only what a quorum of stores keeps is answered. What must not happen: an opening
// that takes the cluster for active that was left.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "tests/support/log_rig.h"

namespace tlog::flush {
namespace {

using testing::FaultStore;
using ::testing::HasSubstr;
using testing::LogRig;

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kLong = 20'000 * kMs;

format::BlockPlace standby_place(std::uint64_t switches = 1) {
  return {.cluster = "standby",
          .switches = switches,
          .epoch = 1,
          .sequence = 7 * switches,
          .since = 1'700'000'000'000'000'000 + switches};
}

class PlaceBlocks : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(rig_.create());
    Status opened = rig_.open_writer();
    ASSERT_TRUE(opened) << opened.error().message();
  }
  format::BlockPlace found() {
    auto reader = rig_.read();
    EXPECT_TRUE(reader) << reader.error().message();
    return reader ? (*reader)->metadata().blocks : format::BlockPlace{};
  }
  void set(std::initializer_list<unsigned> stores, FaultStore::Mode mode) {
    for (unsigned store : stores) rig_.fault(store).set(mode);
  }

  LogRig rig_;
};

TEST_F(PlaceBlocks, is_found_by_every_later_writer) {
  EXPECT_EQ(found(), format::BlockPlace{});
  ASSERT_TRUE(rig_.writer().place_blocks(standby_place(), kLong));
  EXPECT_EQ(found(), standby_place());
  // What the writer publishes afterwards, for aggregations and servers, keeps it.
  rig_.append(70);
  ASSERT_TRUE(rig_.wait_committed(70));
  rig_.crash_writer();
  EXPECT_EQ(found(), standby_place());
  for (int opening = 0; opening < 2; ++opening) {
    Status opened = rig_.open_writer();
    ASSERT_TRUE(opened) << opened.error().message();
    EXPECT_EQ(found(), standby_place());
    rig_.append(1);
    rig_.close_writer();
    EXPECT_EQ(found(), standby_place());
  }
  // And back.
  ASSERT_TRUE(rig_.open_writer());
  const format::BlockPlace back{
      .cluster = "primary", .switches = 2, .epoch = 4, .sequence = 9, .since = 1};
  ASSERT_TRUE(rig_.writer().place_blocks(back, kLong));
  rig_.crash_writer();
  EXPECT_EQ(found(), back);
}

// 4+2 with the usual quorum: metadata counts on 5 of 6 stores. Whichever five.
TEST_F(PlaceBlocks, what_was_answered_is_read_whichever_stores_are_lost_then) {
  std::uint64_t switches = 0;
  for (unsigned away = 0; away < 6; ++away) {
    SCOPED_TRACE(away);
    set({away}, FaultStore::Mode::kDown);
    ASSERT_TRUE(rig_.writer().place_blocks(standby_place(++switches), kLong));
    rig_.crash_writer();
    const unsigned lost = (away + 1) % 6;
    rig_.wipe(lost);
    set({lost}, FaultStore::Mode::kDown);
    set({away}, FaultStore::Mode::kUp);
    EXPECT_EQ(found(), standby_place(switches));
    set({lost}, FaultStore::Mode::kUp);
    ASSERT_TRUE(rig_.open_writer());
  }
}

TEST_F(PlaceBlocks, too_few_stores_are_named_and_it_arrives_when_they_are_back) {
  set({1, 4}, FaultStore::Mode::kDown);
  Status placed = rig_.writer().place_blocks(standby_place(), 200 * kMs);
  ASSERT_FALSE(placed);
  EXPECT_EQ(placed.error().code(), Code::kTimeout);
  EXPECT_THAT(placed.error().message(), HasSubstr("cluster 'standby'"));
  EXPECT_THAT(placed.error().message(), HasSubstr("memory 1: connection refused"));
  EXPECT_THAT(placed.error().message(), HasSubstr("memory 4: connection refused"));
  // Not taken back: it is on four stores already.
  set({1, 4}, FaultStore::Mode::kUp);
  auto everywhere = [&] {
    for (unsigned i = 0; i < 6; ++i) {
      auto value = store::get_and_wait(rig_.inner(i), format::metadata_key(rig_.vdisk()));
      if (!value) return false;
      auto metadata = format::decode_metadata(value->span());
      if (!metadata || metadata->blocks != standby_place()) return false;
    }
    return true;
  };
  EXPECT_TRUE(rig_.wait_until(everywhere));
}

TEST_F(PlaceBlocks, waits_for_the_stores_within_its_time) {
  set({0, 2, 3}, FaultStore::Mode::kDown);
  const std::uint64_t before = rig_.fault(0).calls();
  auto placing = std::async(std::launch::async,
                            [&] { return rig_.writer().place_blocks(standby_place(), kLong); });
  EXPECT_TRUE(rig_.wait_until([&] { return rig_.fault(0).calls() > before; }));
  set({0, 2, 3}, FaultStore::Mode::kUp);
  Status placed = placing.get();
  ASSERT_TRUE(placed) << placed.error().message();
  rig_.crash_writer();
  EXPECT_EQ(found(), standby_place());
}

// The later one counts, also for who waits for the earlier one.
TEST_F(PlaceBlocks, a_later_place_takes_the_place_of_one_that_is_not_stored_yet) {
  set({1, 4}, FaultStore::Mode::kDown);
  ASSERT_FALSE(rig_.writer().place_blocks(standby_place(1), 1 * kMs));
  set({1, 4}, FaultStore::Mode::kUp);
  ASSERT_TRUE(rig_.writer().place_blocks(standby_place(2), kLong));
  rig_.crash_writer();
  EXPECT_EQ(found(), standby_place(2));
}

TEST_F(PlaceBlocks, is_answered_when_the_writer_closes) {
  set({0, 1, 2}, FaultStore::Mode::kDown);
  const std::uint64_t before = rig_.fault(0).calls();
  auto placing = std::async(std::launch::async, [&] {
    return rig_.writer().place_blocks(standby_place(), 600'000 * kMs);
  });
  EXPECT_TRUE(rig_.wait_until([&] { return rig_.fault(0).calls() > before; }));
  std::promise<void> closed;
  rig_.writer().close(system_clock().monotonic_ns(), [&] { closed.set_value(); });
  closed.get_future().get();
  Status placed = placing.get();
  ASSERT_FALSE(placed);
  EXPECT_EQ(placed.error().code(), Code::kShutdown);
  placed = rig_.writer().place_blocks(standby_place(), kLong);
  ASSERT_FALSE(placed);
  EXPECT_EQ(placed.error().code(), Code::kShutdown) << placed.error().message();
}

}  // namespace
}  // namespace tlog::flush
