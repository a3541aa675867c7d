// Goal: a configuration that is taken over while a vdisk is served never takes the cluster away
// that has its blocks, and names the two in another order only when the blocks have gone over.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tlog/session/reconfiguring.h"

namespace tlog::session {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

config::Vdisk vdisk(const std::string& storage, const std::string& slave) {
  config::Vdisk vdisk;
  vdisk.name = "v";
  vdisk.storage_cluster = storage;
  vdisk.slave.cluster = slave;
  return vdisk;
}

TEST(ActiveCluster, may_be_the_second_one_as_long_as_the_file_does_not_change_that) {
  EXPECT_THAT(check_active("p", vdisk("p", "s"), vdisk("p", "s")), IsEmpty());
  EXPECT_THAT(check_active("s", vdisk("p", "s"), vdisk("p", "s")), IsEmpty());
  EXPECT_THAT(check_active("p", vdisk("p", "s"), vdisk("p", "t")), IsEmpty());
  EXPECT_THAT(check_active("p", vdisk("p", "s"), vdisk("p", "")), IsEmpty());
  EXPECT_THAT(check_active("p", vdisk("p", ""), vdisk("p", "s")), IsEmpty());
}

TEST(ActiveCluster, is_the_first_one_after_an_exchange) {
  EXPECT_THAT(check_active("s", vdisk("p", "s"), vdisk("s", "p")), IsEmpty());
  const auto refusals = check_active("p", vdisk("p", "s"), vdisk("s", "p"));
  ASSERT_THAT(refusals, SizeIs(1));
  EXPECT_EQ(refusals[0].trail, "vdisks/v/storage/cluster");
  EXPECT_THAT(refusals[0].reason, HasSubstr("expected"));
  EXPECT_THAT(refusals[0].reason, HasSubstr("tlogctl failover v"));
}

TEST(ActiveCluster, stays_in_the_file) {
  for (const config::Vdisk& wanted : {vdisk("p", "t"), vdisk("p", "")}) {
    const auto refusals = check_active("s", vdisk("p", "s"), wanted);
    ASSERT_THAT(refusals, SizeIs(1));
    EXPECT_EQ(refusals[0].trail, "vdisks/v/slaveStorage/cluster");
    EXPECT_THAT(refusals[0].reason, HasSubstr("cluster 's' has the vdisk's blocks"));
  }
}

TEST(ActiveCluster, of_blocks_in_a_file_is_none) {
  EXPECT_THAT(check_active("", vdisk("", ""), vdisk("", "")), IsEmpty());
}

}  // namespace
}  // namespace tlog::session
