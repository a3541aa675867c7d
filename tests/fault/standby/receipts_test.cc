// The last failover's receipt is found again, and no other is taken for it.
#include "slave-sync/receipts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_directory.h"
#include "tlog/session/receipt.h"

namespace tlog::standby {
namespace {

using ::testing::HasSubstr;

class Receipts : public ::testing::Test {
 protected:
  session::Receipt keep(TimestampNs began, Sequence sequence) {
    session::Receipt receipt;
    receipt.vdisk = "vm1";
    receipt.began = began;
    receipt.standby.sequence = sequence;
    Status kept = keep_receipt(io::system_files(), directory_.file("receipts"), receipt);
    EXPECT_TRUE(kept) << (kept ? "" : kept.error().message());
    return receipt;
  }
  Result<std::optional<session::Receipt>> newest() {
    return newest_receipt(io::system_files(), directory_.file("receipts"));
  }

  tlog::testing::TempDirectory directory_;
};

TEST_F(Receipts, where_there_was_no_failover_there_is_none) {
  ASSERT_TRUE(newest());
  EXPECT_FALSE(newest()->has_value());
  ASSERT_TRUE(io::system_files().make_directories(directory_.file("receipts")));
  tlog::testing::write_text(directory_.file("receipts/notes.txt"), "ours");
  tlog::testing::write_text(directory_.file("receipts/failover-x-1.json"), "{}");
  ASSERT_TRUE(newest());
  EXPECT_FALSE(newest()->has_value());
}

TEST_F(Receipts, the_newest_is_by_time_not_by_name) {
  keep(9, 100);
  const session::Receipt last = keep(10, 50);
  auto found = newest();
  ASSERT_TRUE(found && *found) << (found ? "" : found.error().message());
  EXPECT_EQ((*found)->began, 10U);
  EXPECT_EQ((*found)->standby.sequence, 50U);
  EXPECT_EQ((*found)->path, last.path);
}

TEST_F(Receipts, a_damaged_one_is_not_passed_over_for_an_older_one) {
  keep(1, 100);
  const session::Receipt last = keep(2, 200);
  tlog::testing::write_text(last.path, "{");
  auto found = newest();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), Code::kCorruption);
  EXPECT_THAT(found.error().message(), HasSubstr(last.path));
}

}  // namespace
}  // namespace tlog::standby
