// Goal: a server that loses something while it is being refilled, between two steps or within one,
// is not taken for whole; what it still has of its refilling is not thrown away. Method: real
// redis-servers and doubles of ardb, emptied and set back at chosen moments.
#include <future>

#include "tests/support/fault_proxy.h"
#include "tests/unit/blocks/cluster_fixture.h"

namespace tlog::blocks {
namespace {

using ::testing::HasSubstr;
using testing::Milliseconds;
using testing::wait_until;

class ClusterRefill : public EitherClusterTest {
 protected:
  // Six blocks, and then five other ones; the first server, which has the blocks 0, 3, ... 9, is
  // emptied.
  std::unique_ptr<BlockStorage> emptied() {
    auto storage = create();
    if (!write(*storage, 0, first_, 1) || !write(*storage, 6 * kBlock, second_, 2))
      throw std::runtime_error("write");
    storage = open(options(2, 2));  // without a cache of them
    command({"FLUSHALL"});
    if (read(*storage, 0, kBlock)) throw std::runtime_error("zeros were read");
    return storage;
  }
  RefillStep first_step() const {
    return {.server = 0, .changes = {{0, first_.size(), first_.data()}}, .from = 0, .upto = 1};
  }
  RefillStep second_step() const {
    return {.server = 0,
            .changes = {{6 * kBlock, second_.size(), second_.data()}},
            .from = 1,
            .upto = 2};
  }
  static Status begin(BlockStorage& storage) {
    return storage.begin_refill(storage.lacking().at(0));
  }
  void expect_whole(BlockStorage& storage) {
    EXPECT_TRUE(storage.lacking().empty());
    auto got = read(storage, 0, first_.size() + second_.size());
    ASSERT_TRUE(got) << got.error().message();
    auto expected = first_;
    expected.insert(expected.end(), second_.begin(), second_.end());
    EXPECT_EQ(*got, expected);
    EXPECT_TRUE(storage.flush());
  }
  void refill(BlockStorage& storage) {
    ASSERT_TRUE(begin(storage));
    ASSERT_TRUE(storage.refill(first_step()));
    EXPECT_FALSE(read(storage, 0, kBlock)) << "half of it";
    Status done = storage.refill(second_step());
    ASSERT_TRUE(done) << done.error().message();
    expect_whole(storage);
  }

  std::vector<std::byte> first_ = filled(6 * kBlock, 1);
  std::vector<std::byte> second_ = filled(5 * kBlock - 100, 2);  // and a part of a block
};

TEST_P(ClusterRefill, emptied_between_two_steps) {
  auto storage = emptied();
  ASSERT_TRUE(begin(*storage));
  ASSERT_TRUE(storage->refill(first_step()));
  ASSERT_TRUE(lacks(*storage, 0, 1));
  command({"FLUSHALL"});
  Status done = storage->refill(second_step());
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), Code::kUnavailable);
  EXPECT_THAT(done.error().message(), HasSubstr("emptied or set back again"));
  EXPECT_TRUE(lacks(*storage, 0, 0));
  EXPECT_FALSE(read(*storage, 0, kBlock));
  EXPECT_FALSE(storage->flush()) << "the journal would be given up";
  refill(*storage);
}

TEST_P(ClusterRefill, emptied_before_the_first_step) {
  auto storage = emptied();
  ASSERT_TRUE(begin(*storage));
  command({"FLUSHALL"});
  EXPECT_FALSE(storage->refill(first_step()));
  EXPECT_TRUE(lacks(*storage, 0, 0));
  refill(*storage);
}

// It says of itself what the step has written behind, and nothing else.
TEST_P(ClusterRefill, emptied_within_a_step) {
  testing::FaultProxy slow(direct_);
  addresses_[0] = slow.address();
  first_ = filled(600 * kBlock, 1);
  second_.clear();
  auto storage = create();
  ASSERT_TRUE(write(*storage, 0, first_, 1));
  command({"FLUSHALL"});
  ASSERT_FALSE(storage->flush());
  ASSERT_TRUE(begin(*storage));
  slow.set({.bytes_per_second = 300'000});
  auto step = std::async(std::launch::async, [&] { return storage->refill(first_step()); });
  EXPECT_TRUE(wait_until(
      [&] {
        return command({"HGET", key(), "0"}) != "(nil)";
      },
      Milliseconds(20'000)));
  command({"FLUSHALL"});
  slow.heal();
  Status done = step.get();
  EXPECT_FALSE(done);
  EXPECT_EQ(command({"HGET", key(), "id"}), "(nil)");
  EXPECT_TRUE(lacks(*storage, 0, 0));
  ASSERT_TRUE(begin(*storage));
  done = storage->refill(first_step());
  ASSERT_TRUE(done) << done.error().message();
  storage = open(options(2, 1));
  expect_whole(*storage);
}

TEST_P(ClusterRefill, is_continued_by_the_next_life) {
  auto storage = emptied();
  ASSERT_TRUE(begin(*storage));
  ASSERT_TRUE(storage->refill(first_step()));
  storage = open(options(3, 2));
  ASSERT_TRUE(lacks(*storage, 0, 1));
  ASSERT_TRUE(begin(*storage));
  ASSERT_TRUE(storage->refill(second_step()));
  expect_whole(*storage);
}

// What an emptied server has got since is of no use: parts of blocks would be laid over it.
TEST_P(ClusterRefill, begins_with_nothing) {
  auto storage = emptied();
  command({"HSET", key(), "0", std::string(kBlock, 'x')});
  command({"HSET", key(), "12", std::string(kBlock, 'x')});
  refill(*storage);
  auto got = read(*storage, 12 * kBlock, kBlock);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(*got, filled(kBlock, 0));
}

// A refilling that an earlier version has begun has no id.
TEST_P(ClusterRefill, of_an_earlier_version_begins_anew) {
  auto storage = emptied();
  command({"HMSET", key(), "applied", "1 2", "writer", "2", "0", std::string(kBlock, 'x')});
  storage = open(options(3, 2));
  ASSERT_TRUE(lacks(*storage, 0, 0));
  refill(*storage);
}

TEST_P(ClusterRefill, a_step_that_was_not_the_next_one_changes_nothing) {
  auto storage = emptied();
  ASSERT_TRUE(begin(*storage));
  EXPECT_FALSE(storage->refill(second_step()));
  EXPECT_EQ(command({"HGET", key(), "9"}), "(nil)");
  refill(*storage);
}

TEST_P(ClusterRefill, set_back_between_two_steps) {
  if (GetParam()) GTEST_SKIP() << "the double cannot be set back";
  auto storage = emptied();
  ASSERT_TRUE(begin(*storage));
  command({"SAVE"});
  ASSERT_TRUE(storage->refill(first_step()));
  (*fleet_)[0].restart();
  ASSERT_TRUE(wait_until([&] { return lacks(*storage, 0, 0); }, Milliseconds(20'000)));
  EXPECT_FALSE(storage->refill(second_step()));
  EXPECT_FALSE(read(*storage, 0, kBlock));
  ASSERT_TRUE(storage->refill(first_step())) << "from where it is";
  command({"SAVE"});
  (*fleet_)[0].restart();
  ASSERT_TRUE(
      wait_until([&] { return storage->refill(second_step()).has_value(); }, Milliseconds(20'000)));
  expect_whole(*storage);
}

INSTANTIATE_TEST_SUITE_P(, ClusterRefill, ::testing::Bool(),
                         [](const auto& kind) { return kind.param ? "ardb" : "redis"; });

}  // namespace
}  // namespace tlog::blocks
