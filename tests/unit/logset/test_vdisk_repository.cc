// A vdisk's log as it is published, while its stores come and go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateways/logset/vdisk_repository.h"
#include "tests/support/served_log_rig.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;

// A pull reads on while another request has found that the stores do not answer, and let them go.
TEST(PublishedVdisk, a_pull_outlives_its_stores) {
  ServedLogRig rig;
  {
    Heard heard;
    auto log = rig.open(heard);
    ASSERT_TRUE(log->take(rig.records().batch(1, 100)));
    ASSERT_TRUE(log->close(kBudgetNs));
  }
  const auto published =
      logset::make_vdisk_repository({.vdisk = "vm1", .open_stores = [&] { return rig.stores(); }});
  const auto lengths = published->lengths();
  ASSERT_TRUE(lengths.has_value()) << lengths.error().message();
  ASSERT_EQ(lengths->size(), 1u);
  const logset::LogLength whole = lengths->front();
  const auto read_last = [&] {
    std::byte last{};
    return published->read(whole.name, whole.bytes - 1, {&last, 1});
  };
  const auto refuse = [&](bool on) {
    for (unsigned i = 0; i < ServedLogRig::kStores; ++i) rig.contents(i).refuse(on);
  };
  refuse(true);
  const auto deadline = steady_now() + std::chrono::seconds(20);
  while (published->lengths() && steady_now() < deadline) {
  }
  const Status lost = read_last();
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code(), Code::kUnavailable);
  EXPECT_THAT(lost.error().message(), HasSubstr("ask again"));
  refuse(false);
  const auto again = published->lengths();
  ASSERT_TRUE(again.has_value()) << again.error().message();
  EXPECT_EQ(again->front().bytes, whole.bytes);
  EXPECT_TRUE(read_last());
}

}  // namespace
}  // namespace tlog::testing
