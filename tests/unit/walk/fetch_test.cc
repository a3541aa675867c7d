// Goal: a fetch that is still at work on some thread when its stores go calls none of them any
// more, and they do not go while it calls one. Method: stores that answer when they are told to,
// and that hold a caller at a gate.
#include "tlog/walk/fetch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/support/log_samples.h"
#include "tests/support/process.h"

namespace tlog::walk {
namespace {

constexpr testing::Milliseconds kSoon{20'000};

// What the test sees of all stores, whether they are still there or not.
struct Watch {
  std::atomic<unsigned> calls{0};
  std::atomic<unsigned> inside{0};
  std::atomic<bool> gate_is_open{true};
};

class WatchedStore final : public store::Store {
 public:
  explicit WatchedStore(Watch& watch) : watch_(watch) {}
  void put(std::string, std::vector<ConstByteSpan>, store::PutOptions, store::PutDone) override {
    ++watch_.calls;
  }
  void get(std::string, store::GetDone done) override {
    ++watch_.calls;
    ++watch_.inside;
    asked.push_back(std::move(done));
    EXPECT_TRUE(testing::wait_until([this] { return watch_.gate_is_open.load(); }, kSoon));
    --watch_.inside;
  }
  void stat(std::string, store::StatDone) override { ++watch_.calls; }
  void remove(std::string, store::PutDone) override { ++watch_.calls; }
  void scan(std::string, std::string, std::size_t, store::ScanDone) override { ++watch_.calls; }
  void hurry() override { ++watch_.calls; }
  store::StoreStatus status() const override { return ++watch_.calls, store::StoreStatus{}; }
  const std::string& name() const override { return ++watch_.calls, name_; }
  void close(std::function<void()> done) override { done(); }

  std::vector<store::GetDone> asked;

 private:
  Watch& watch_;
  const std::string name_ = "watched";
};

class FetchTest : public ::testing::Test {
 protected:
  FetchTest() {
    std::vector<store::Store*> borrowed;
    for (unsigned i = 0; i < 6; ++i) {
      stores_.push_back(std::make_unique<WatchedStore>(watch_));
      borrowed.push_back(stores_.back().get());
    }
    place_ = std::make_shared<LogPlace>(
        format::VdiskFormat{.vdisk = testing::SampleAggregation::sample_uuid(),
                            .name = "vm1",
                            .size = kGiB,
                            .block_size = 4096,
                            .data_shards = 4,
                            .parity_shards = 2},
        borrowed);
    fetch_ = Fetch::start(
        place_, 1, 1, [this](std::function<void()> task) { tasks_.push_back(std::move(task)); },
        [this](const Result<Fetched>& fetched, const FetchCounts&) {
          ++done_;
          EXPECT_FALSE(fetched);
        });
  }
  // Of the first four, with what is no shard: the others are asked when that has been seen.
  void answer() {
    for (auto& store : stores_) {
      for (auto& done : std::exchange(store->asked, {})) done(Buffer(100));
    }
  }
  void run_task() {
    ASSERT_EQ(tasks_.size(), 1U);
    std::exchange(tasks_, {}).front()();
  }

  Watch watch_;
  std::vector<std::unique_ptr<WatchedStore>> stores_;
  std::shared_ptr<LogPlace> place_;
  std::vector<std::function<void()>> tasks_;  // what the workers are to do
  std::shared_ptr<Fetch> fetch_;
  unsigned done_ = 0;
};

TEST_F(FetchTest, others_are_asked_for_what_is_no_shard) {
  EXPECT_EQ(watch_.calls, 4U);
  answer();
  run_task();
  EXPECT_EQ(watch_.calls, 6U);
  answer();
  run_task();
  EXPECT_EQ(done_, 1U);
}

TEST_F(FetchTest, a_store_that_has_gone_is_not_called) {
  answer();
  place_->close();
  const unsigned before = watch_.calls;
  stores_.clear();
  run_task();
  fetch_->hedge();
  fetch_->give_up();  // whose error would name the stores
  for (auto& task : std::exchange(tasks_, {})) task();
  EXPECT_EQ(watch_.calls, before);
}

TEST_F(FetchTest, a_store_does_not_go_while_it_is_called) {
  answer();
  watch_.gate_is_open = false;
  std::thread worker([this] { run_task(); });
  EXPECT_TRUE(testing::wait_until([this] { return watch_.inside > 0; }, kSoon));
  std::atomic<bool> has_closed{false};
  std::thread closer([&] {
    place_->close();
    EXPECT_EQ(watch_.inside, 0U) << "the stores would be destroyed now";
    has_closed = true;
  });
  EXPECT_TRUE(testing::wait_until([this] { return place_->closed(); }, kSoon));
  // A closing that does not wait has every chance to end here, before the gate opens.
  (void)testing::wait_until([&] { return has_closed.load(); }, testing::Milliseconds(50));
  watch_.gate_is_open = true;
  closer.join();
  worker.join();
}

}  // namespace
}  // namespace tlog::walk
