// Goal: a server that is away, or that has lost what it had confirmed, never makes a read answer
// older bytes or zeros; the blocks of the others stay readable; what is lost can be refilled.
// Method: real redis-servers that are killed, stopped, emptied and restarted with an old snapshot.
#include "tests/unit/blocks/cluster_fixture.h"

namespace tlog::blocks {
namespace {

using ::testing::HasSubstr;
using testing::Milliseconds;
using testing::wait_until;

class ClusterLoss : public ClusterTest {};

TEST_F(ClusterLoss, a_server_killed_and_back) {
  start_fleet(kept_servers());
  auto storage = create();
  ASSERT_TRUE(write(*storage, 0, filled(6 * kBlock, 1), 1));
  (*fleet_)[1].kill();
  auto got = read(*storage, 4 * kBlock, kBlock);
  ASSERT_FALSE(got);
  EXPECT_THAT(got.error().message(), HasSubstr("block 4 at 16384"));
  EXPECT_THAT(got.error().message(), HasSubstr((*fleet_)[1].address()));
  EXPECT_TRUE(read(*storage, 2 * kBlock, 2 * kBlock)) << "the other servers' blocks";
  EXPECT_FALSE(write(*storage, kBlock, filled(kBlock, 2), 2));
  EXPECT_TRUE(write(*storage, 0, filled(kBlock, 2), 3));
  EXPECT_FALSE(storage->flush());
  (*fleet_)[1].start();
  ASSERT_TRUE(wait_until([&] { return write(*storage, kBlock, filled(kBlock, 3), 4).has_value(); },
                         Milliseconds(20'000)));
  EXPECT_TRUE(storage->flush());
  got = read(*storage, 0, 6 * kBlock);
  ASSERT_TRUE(got) << got.error().message();
  auto expected = filled(6 * kBlock, 1);
  std::fill_n(expected.begin(), kBlock, std::byte{2});
  std::fill_n(expected.begin() + kBlock, kBlock, std::byte{3});
  EXPECT_EQ(*got, expected);
}

TEST_F(ClusterLoss, a_stopped_server_is_an_error_within_the_deadline) {
  start_fleet();
  auto storage = create();
  ASSERT_TRUE(write(*storage, 0, filled(6 * kBlock, 1), 1));
  (*fleet_)[2].pause();
  auto got = read(*storage, 2 * kBlock, kBlock);
  EXPECT_FALSE(got);
  EXPECT_FALSE(write(*storage, 2 * kBlock, filled(kBlock, 2), 2));
  (*fleet_)[2].resume();
  ASSERT_TRUE(
      wait_until([&] { return write(*storage, 2 * kBlock, filled(kBlock, 2), 2).has_value(); },
                 Milliseconds(20'000)));
  got = read(*storage, 2 * kBlock, kBlock);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(*got, filled(kBlock, 2));
}

// Also without a new connection, and also in the midst of a batch.
TEST_F(ClusterLoss, an_emptied_server_is_not_read_as_zeros) {
  start_fleet();
  create().reset();
  ClusterStorageOptions how = options(2);
  how.cache_bytes = 0;
  auto storage = open(how);
  ASSERT_TRUE(write(*storage, 0, filled(6 * kBlock, 1), 1));
  (*fleet_)[0].command({"FLUSHALL"});
  EXPECT_FALSE(read(*storage, 0, kBlock));
  EXPECT_TRUE(lacks(*storage, 0, 0));
  EXPECT_TRUE(read(*storage, kBlock, 2 * kBlock)) << "the other servers' blocks";
  EXPECT_FALSE(write(*storage, 0, filled(kBlock, 2), 2));
  EXPECT_FALSE(read(*storage, 3 * kBlock, kBlock));
  EXPECT_FALSE(storage->flush());
}

TEST_F(ClusterLoss, a_write_to_an_emptied_server_does_not_make_it_whole) {
  start_fleet();
  auto storage = create();
  ASSERT_TRUE(write(*storage, 0, filled(6 * kBlock, 1), 1));
  (*fleet_)[0].command({"FLUSHALL"});
  EXPECT_FALSE(write(*storage, 0, filled(kBlock, 2), 2));
  storage = open(options(2, 1));
  EXPECT_TRUE(lacks(*storage, 0, 0));
  EXPECT_FALSE(read(*storage, 3 * kBlock, kBlock));
}

TEST_F(ClusterLoss, a_restart_with_an_old_snapshot_is_noticed_and_refilled) {
  start_fleet();
  auto storage = create();
  ASSERT_TRUE(write(*storage, 0, filled(6 * kBlock, 1), 1));
  (*fleet_)[1].command({"SAVE"});
  ASSERT_TRUE(write(*storage, 0, filled(6 * kBlock, 2), 2));
  ASSERT_TRUE(storage->discard(4 * kBlock, kBlock));
  ASSERT_TRUE(storage->settle(3));
  (*fleet_)[1].restart();
  ASSERT_TRUE(wait_until([&] { return lacks(*storage, 1, 1); }, Milliseconds(20'000)));
  EXPECT_FALSE(read(*storage, 4 * kBlock, kBlock));

  const auto second = filled(6 * kBlock, 2);
  Status done = storage->begin_refill(storage->lacking()[0]);
  ASSERT_TRUE(done) << done.error().message();
  RefillStep step{
      .server = 1, .changes = {{0, second.size(), second.data()}}, .from = 1, .upto = 2};
  done = storage->refill(step);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_FALSE(read(*storage, 4 * kBlock, kBlock)) << "half of it";
  step = {.server = 1, .changes = {{4 * kBlock, kBlock, nullptr}}, .from = 2, .upto = 3};
  done = storage->refill(step);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_TRUE(storage->lacking().empty());
  auto got = read(*storage, 0, 6 * kBlock);
  ASSERT_TRUE(got) << got.error().message();
  auto expected = filled(6 * kBlock, 2);
  std::fill_n(expected.begin() + 4 * kBlock, kBlock, std::byte{0});
  EXPECT_EQ(*got, expected);
  EXPECT_TRUE(storage->flush());
}

TEST_F(ClusterLoss, opens_without_a_server_that_is_away) {
  start_fleet(kept_servers());
  auto storage = create();
  ASSERT_TRUE(write(*storage, 0, filled(6 * kBlock, 1), 1));
  ASSERT_TRUE(storage->flush());
  (*fleet_)[1].kill();
  storage = open(options(2, 1));
  EXPECT_TRUE(read(*storage, 0, kBlock));
  EXPECT_FALSE(read(*storage, kBlock, kBlock));
  (*fleet_)[1].start();
  ASSERT_TRUE(
      wait_until([&] { return read(*storage, kBlock, kBlock).has_value(); }, Milliseconds(20'000)));
  ClusterStorageOptions fresh = options(0);
  fresh.create = true;
  fresh.uuid.bytes[0] = 2;
  (*fleet_)[1].kill();
  EXPECT_FALSE(try_open(fresh)) << "a new vdisk needs all servers";
}

}  // namespace
}  // namespace tlog::blocks
