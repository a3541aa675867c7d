// Goal: a batch that was cut short by its writer's death is not served by who takes the vdisk over
// without it, whatever came between. Method: a link to a real redis-server, or a double of ardb,
// that breaks within a batch; the next writers know where the log forks.
#include <future>

#include "tests/support/fault_proxy.h"
#include "tests/unit/blocks/cluster_fixture.h"

namespace tlog::blocks {
namespace {

using testing::FaultProxy;
using ::testing::HasSubstr;
using testing::MessageFault;
using testing::Milliseconds;
using testing::wait_until;

class ClusterBatch : public EitherClusterTest {
 protected:
  // All is applied up to 100; of the changes up to 200 the first server has its zeros and not its
  // data.
  void cut_a_batch() {
    FaultProxy link(direct_);
    addresses_[0] = link.address();
    auto storage = create();
    ASSERT_TRUE(write(*storage, 0, filled(6 * kBlock, 1), 100));
    ASSERT_TRUE(storage->flush());
    link.next(MessageFault::cut_request("HMSET", 100));
    ASSERT_TRUE(storage->discard(0, kBlock));
    EXPECT_FALSE(write(*storage, 3 * kBlock, filled(kBlock, 2), 200));
    storage.reset();
    ASSERT_TRUE(wait_until(
        [&] {
          return command({"HGET", key(), "0"}) == "(nil)";
        },
        Milliseconds(20'000)));
    ASSERT_EQ(command({"HGET", key(), "applied"}), "100 1");
    addresses_[0] = direct_;
  }
  ClusterStorageOptions taken_over(Epoch epoch, Sequence first) const {
    ClusterStorageOptions how = options(epoch, 100);
    how.possible = first - 1;
    how.forks = {{.epoch = epoch, .first_sequence = first}};
    return how;
  }
  std::string applying() { return command({"HGET", key(), "applying"}); }
};

TEST_P(ClusterBatch, cut_short_and_taken_over) {
  cut_a_batch();
  EXPECT_EQ(applying(), "200 1");
  auto storage = open(taken_over(2, 101));
  ASSERT_TRUE(lacks(*storage, 0, 0));
  EXPECT_FALSE(read(*storage, 0, kBlock));
  EXPECT_EQ(command({"HGET", key(), "3"}), "(nil)") << "nothing of it is left";
  const auto bytes = filled(6 * kBlock, 1);
  ASSERT_TRUE(storage->begin_refill(storage->lacking()[0]));
  ASSERT_TRUE(storage->refill(
      {.server = 0, .changes = {{0, bytes.size(), bytes.data()}}, .from = 0, .upto = 100}));
  auto got = read(*storage, 0, 6 * kBlock);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(*got, bytes);
  // What was begun anew does not look forked off to the same takeover's next life.
  ClusterStorageOptions next = taken_over(2, 101);
  next.epoch = 3;
  storage = open(next);
  EXPECT_TRUE(storage->lacking().empty());
}

// The refilling of a server is a batch, too.
TEST_P(ClusterBatch, cut_short_within_a_refilling) {
  FaultProxy link(direct_);
  addresses_[0] = link.address();
  auto storage = create();
  const auto bytes = filled(6 * kBlock, 1);
  ASSERT_TRUE(write(*storage, 0, bytes, 100));
  command({"FLUSHALL"});
  ASSERT_FALSE(storage->flush());
  ASSERT_TRUE(storage->begin_refill(storage->lacking()[0]));
  link.next(MessageFault::cut_request("HMSET", 100));
  EXPECT_FALSE(storage->refill(
      {.server = 0, .changes = {{0, bytes.size(), bytes.data()}}, .from = 0, .upto = 100}));
  EXPECT_EQ(applying(), "100 1");
}

TEST_P(ClusterBatch, cut_short_and_given_again_by_the_same_journal) {
  cut_a_batch();
  auto storage = open(options(2, 100));
  EXPECT_TRUE(storage->lacking().empty());
  ASSERT_TRUE(storage->discard(0, kBlock));
  ASSERT_TRUE(write(*storage, 3 * kBlock, filled(kBlock, 2), 200));
  auto got = read(*storage, 0, 6 * kBlock);
  ASSERT_TRUE(got) << got.error().message();
  auto expected = filled(6 * kBlock, 1);
  std::fill_n(expected.begin(), kBlock, std::byte{0});
  std::fill_n(expected.begin() + 3 * kBlock, kBlock, std::byte{2});
  EXPECT_EQ(*got, expected);
}

// The next life begins with a smaller batch, and dies too.
TEST_P(ClusterBatch, is_not_forgotten_by_a_smaller_one) {
  cut_a_batch();
  auto storage = open(options(2, 100));
  EXPECT_EQ(applying(), "200 2");
  ASSERT_TRUE(write(*storage, 3 * kBlock, filled(kBlock, 3), 120));
  EXPECT_EQ(applying(), "200 2");
  EXPECT_EQ(command({"HGET", key(), "applied"}), "120 2");
  storage = open(taken_over(3, 151));
  EXPECT_TRUE(lacks(*storage, 0, 0));
}

// A writer that finds no server at first must not say less than is there when it comes.
TEST_P(ClusterBatch, is_not_forgotten_by_a_writer_that_connects_late) {
  cut_a_batch();
  FaultProxy link(direct_);
  addresses_[0] = link.address();
  link.set({.refuse = true});
  auto storage = open(options(2, 100));
  auto writing = std::async(std::launch::async,
                            [&] { return write(*storage, 3 * kBlock, filled(kBlock, 3), 120); });
  link.heal();
  if (!writing.get()) {
    ASSERT_TRUE(
        wait_until([&] { return write(*storage, 3 * kBlock, filled(kBlock, 3), 120).has_value(); },
                   Milliseconds(20'000)));
  }
  EXPECT_EQ(applying(), "200 2");
}

TEST_P(ClusterBatch, of_a_newer_journal_refuses_an_old_copy) {
  cut_a_batch();
  ClusterStorageOptions how = options(2, 100);
  how.possible = 150;
  auto opened = try_open(how);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message(), HasSubstr("up to sequence 200, the journal ends at 150"));
}

// Of a version that did not say how far it may have come.
TEST_P(ClusterBatch, of_an_earlier_version) {
  cut_a_batch();
  command({"HDEL", key(), "applying"});
  ClusterStorageOptions how = options(2, 100);
  how.possible = 300;
  auto storage = open(how);
  EXPECT_TRUE(storage->lacking().empty());
  EXPECT_EQ(applying(), "300 2") << "as far as its journal went";
  command({"HDEL", key(), "applying"});
  storage = open(taken_over(3, 301));
  EXPECT_TRUE(lacks(*storage, 0, 0));
}

// It was in between, on another host, and has changed more than it says.
TEST_P(ClusterBatch, of_an_earlier_version_that_came_later) {
  cut_a_batch();
  command({"HSET", key(), "writer", "2"});
  auto storage = open(taken_over(3, 201));
  EXPECT_TRUE(lacks(*storage, 0, 0));
}

TEST_P(ClusterBatch, that_ended_before_the_fork_is_kept) {
  auto storage = create();
  ASSERT_TRUE(write(*storage, 0, filled(6 * kBlock, 1), 100));
  ASSERT_TRUE(storage->flush());
  storage = open(taken_over(2, 101));
  EXPECT_TRUE(storage->lacking().empty());
  EXPECT_EQ(applying(), "100 2");
}

INSTANTIATE_TEST_SUITE_P(, ClusterBatch, ::testing::Bool(),
                         [](const auto& kind) { return kind.param ? "ardb" : "redis"; });

}  // namespace
}  // namespace tlog::blocks
