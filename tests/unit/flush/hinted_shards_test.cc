// Goal: shards that are kept on the disk come back whole or not at all, whatever happens to the
// file, and take no more room than they may. Method: real files, real shards.
#include "tlog/flush/hinted_shards.h"

#include <gtest/gtest.h>

#include <array>
#include <future>
#include <latch>

#include "tests/support/fault_files.h"
#include "tests/support/log_samples.h"
#include "tests/support/temp_directory.h"
#include "tlog/flush/hinted_stores.h"
#include "tlog/store/stores.h"

namespace tlog::flush {
namespace {

constexpr shard::Geometry kGeometry{.data = 4, .parity = 2};

class HintedShardsTest : public ::testing::Test {
 protected:
  HintedShardsTest() : loop_(std::move(io::make_loop({}, null_logger()).value())) {
    EXPECT_TRUE(loop_->start());
  }
  ~HintedShardsTest() override { loop_->stop(); }

  std::shared_ptr<HintedShards> open(std::uint64_t bytes_max = kMiB) {
    auto shards = HintedShards::open({.files = &files_,
                                      .loop = loop_.get(),
                                      .path = path_,
                                      .vdisk = vdisk_,
                                      .geometry = kGeometry,
                                      .bytes_max = bytes_max});
    EXPECT_TRUE(shards) << shards.error().message();
    return std::move(*shards);
  }
  std::shared_ptr<const PutItem> item(AggregationNumber number, std::size_t sealed_bytes = 9000) {
    Buffer sealed(sealed_bytes);
    testing::SeededRandom random(number);
    random.fill(sealed.span());
    const shard::Identity identity{vdisk_, 3, number, {}};
    return std::make_shared<const PutItem>(
        shard::ShardSet(kGeometry, identity, std::move(sealed), sealed_bytes), "key", false);
  }
  Status keep(const std::shared_ptr<HintedShards>& shards,
              const std::vector<HintedShards::Given>& given) {
    std::promise<Status> done;
    io::run_on(*loop_, [&] {
      shards->keep(given, [&](Status status) { done.set_value(std::move(status)); });
    });
    return done.get_future().get();
  }
  Result<Buffer> read(const std::shared_ptr<HintedShards>& shards, const HintedShards::Name& name) {
    std::promise<Result<Buffer>> done;
    io::run_on(*loop_, [&] {
      shards->read(name, [&](Result<Buffer> stored) { done.set_value(std::move(stored)); });
    });
    return done.get_future().get();
  }
  static std::string text_of(ConstByteSpan bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  // The shard as its store would have it.
  static void expect_is(const Result<Buffer>& stored, const PutItem& item, unsigned index) {
    ASSERT_TRUE(stored) << stored.error().message();
    std::string expected;
    for (ConstByteSpan piece : item.set.pieces(index)) expected += text_of(piece);
    EXPECT_EQ(text_of(stored->span()), expected);
  }
  std::uint64_t file_bytes() { return files_.open(path_, {}).value()->size().value(); }

  testing::TempDirectory directory_;
  const std::string path_ = directory_.file("hinted-shards");
  Uuid vdisk_ = testing::SampleAggregation::sample_uuid();
  testing::FaultFiles files_{io::system_files()};
  std::unique_ptr<io::Loop> loop_;
};

TEST_F(HintedShardsTest, come_back_after_a_crash) {
  auto shards = open();
  EXPECT_TRUE(shards->empty());
  ASSERT_TRUE(keep(shards, {{item(7), 0}, {item(7), 5}, {item(8), 2}}));
  ASSERT_TRUE(keep(shards, {{item(9, 100'000), 1}}));
  shards = open();
  const std::vector<HintedShards::Name> expected = {{7, 3, 0}, {7, 3, 5}, {8, 3, 2}, {9, 3, 1}};
  EXPECT_EQ(shards->names(), expected);
  EXPECT_EQ(shards->bytes(), 3 * 4096U + 28'672);
  expect_is(read(shards, {7, 3, 5}), *item(7), 5);
  expect_is(read(shards, {9, 3, 1}), *item(9, 100'000), 1);
  EXPECT_FALSE(read(shards, {9, 3, 2}));
}

TEST_F(HintedShardsTest, a_damaged_one_is_not_there_and_hides_no_other) {
  auto shards = open();
  ASSERT_TRUE(keep(shards, {{item(1), 0}, {item(2, 60'000), 1}, {item(3), 2}}));
  auto file = std::move(files_.open(path_, {.write = true}).value());
  const std::string flipped = "x";
  ASSERT_TRUE(file->write(4096 + 200, bytes_of(std::string_view(flipped))));
  // While it runs: found when it is read.
  auto stored = read(shards, {2, 3, 1});
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code(), Code::kCorruption);
  const std::vector<HintedShards::Name> left = {{1, 3, 0}, {3, 3, 2}};
  EXPECT_EQ(open()->names(), left);
  // A torn last one.
  ASSERT_TRUE(file->resize(file_bytes() - 1));
  EXPECT_EQ(open()->names().size(), 1U);
}

TEST_F(HintedShardsTest, of_another_vdisk_or_geometry_are_nothing) {
  ASSERT_TRUE(keep(open(), {{item(1), 0}}));
  vdisk_.bytes[0] ^= 1;
  EXPECT_TRUE(open()->empty());
  EXPECT_EQ(file_bytes(), 0U);
}

TEST_F(HintedShardsTest, take_no_more_room_than_they_may_and_use_it_again) {
  auto shards = open(5 * 4096 + 100);
  std::vector<HintedShards::Given> given;
  for (AggregationNumber number = 1; number <= 8; ++number) given.push_back({item(number), 0});
  ASSERT_TRUE(keep(shards, given));
  EXPECT_EQ(shards->names().size(), 5U);
  EXPECT_FALSE(shards->takes(1));
  shards->forget({2, 3, 0});
  shards->forget({3, 3, 0});
  EXPECT_TRUE(shards->takes(2 * 4096));
  EXPECT_FALSE(shards->takes(2 * 4096 + 1));
  ASSERT_TRUE(keep(shards, {{item(20, 30'000), 4}}));  // two blocks
  EXPECT_FALSE(shards->takes(1));
  expect_is(read(shards, {20, 3, 4}), *item(20, 30'000), 4);
  expect_is(read(shards, {4, 3, 0}), *item(4), 0);
  EXPECT_LE(file_bytes(), 5 * 4096U);
  EXPECT_EQ(open(2 * 4096)->names().size(), 4U) << "a smaller file keeps what is there";
}

TEST_F(HintedShardsTest, a_smaller_file_than_before_keeps_what_is_there_and_takes_nothing_behind) {
  ASSERT_TRUE(keep(open(), {{item(1), 0}, {item(2), 0}, {item(3), 0}, {item(4), 0}}));
  auto shards = open(2 * 4096);
  EXPECT_FALSE(shards->takes(1));
  expect_is(read(shards, {4, 3, 0}), *item(4), 0);
  shards->forget({4, 3, 0});
  EXPECT_FALSE(shards->takes(1));
  shards->forget({1, 3, 0});
  EXPECT_TRUE(shards->takes(4096));
}

TEST_F(HintedShardsTest, an_empty_file_gives_the_disk_back) {
  auto shards = open();
  ASSERT_TRUE(keep(shards, {{item(1), 0}}));
  io::run_on(*loop_, [&] {
    shards->forget({1, 3, 0});
    shards->give_back([](const std::function<void()>& task) { task(); });
  });
  io::run_on(*loop_, [&] { EXPECT_TRUE(shards->writable()); });
  EXPECT_EQ(file_bytes(), 0U);
  ASSERT_TRUE(keep(shards, {{item(2), 0}}));
  EXPECT_EQ(open()->names().size(), 1U);
}

// After a failed write nobody knows what the file has: it takes nothing more, and gives what it
// can.
TEST_F(HintedShardsTest, nothing_is_kept_after_a_failure) {
  for (unsigned operation : {testing::kWriteFile, testing::kSyncFile}) {
    (void)files_.remove(path_);  // of the round before
    auto shards = open();
    ASSERT_TRUE(keep(shards, {{item(1), 0}}));
    files_.inject({.operations = operation, .path_contains = "hinted"});
    EXPECT_FALSE(keep(shards, {{item(2), 0}, {item(3), 0}}));
    files_.clear();
    EXPECT_FALSE(shards->has({2, 3, 0}));
    EXPECT_FALSE(shards->has({3, 3, 0}));
    EXPECT_FALSE(shards->takes(1));
    expect_is(read(shards, {1, 3, 0}), *item(1), 0);
  }
}

// Who reads may have given up long ago, and the vdisk have been closed.
TEST_F(HintedShardsTest, a_late_request_calls_no_store_that_has_gone) {
  auto shards = open();
  ASSERT_TRUE(keep(shards, {{item(6), 0}}));
  const std::string flipped = "x";
  ASSERT_TRUE(
      files_.open(path_, {.write = true}).value()->write(200, bytes_of(std::string_view(flipped))));
  auto store = store::make_memory_store("memory", *loop_);
  HintedStores reading("vm1", std::vector<store::Store*>(6, store.get()), *loop_, shards);
  // The loop comes to the requests when the store has gone.
  std::latch gone(1);
  loop_->post([&gone] { gone.wait(); });
  std::array<std::promise<Code>, 3> codes;
  auto tell = [&codes](std::size_t request) {
    return [&code = codes[request]](const auto& answer) {
      code.set_value(answer ? Code::kNotSupported : answer.error().code());
    };
  };
  store::Store& first = *reading.stores()[0];
  first.get(format::shard_key("vm1", 3, 6), tell(0));   // kept, and damaged
  first.get(format::shard_key("vm1", 3, 12), tell(1));  // not kept
  first.stat(format::shard_key("vm1", 3, 12), tell(2));
  reading.close();
  store.reset();
  gone.count_down();
  for (auto& code : codes) EXPECT_EQ(code.get_future().get(), Code::kShutdown);
}

}  // namespace
}  // namespace tlog::flush
