// The power goes off at any time, and what was not synced is gone, or torn: what was answered is
// there afterwards.
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/forgetful_files.h"
#include "tests/unit/store/segment_fixture.h"
#include "tlog/base/mutex.h"

namespace tlog::store {
namespace {

// What a key may hold: what was answered last, or anything that was tried after it.
struct History {
  std::vector<std::string> tried{""};  // "" is: absent
  std::size_t answered = 0;
};

class PowerTest : public SegmentTest, public ::testing::WithParamInterface<testing::PowerCut> {
 protected:
  void change(Store& store, const std::string& key, std::mt19937_64& random) {
    MutexLock lock(mutex_);
    History& history = histories_[key];
    std::size_t number = history.tried.size();
    bool removes = random() % 6 == 0;
    std::size_t length = random() % 8 == 0 ? random() % 30'000 : random() % 600;
    history.tried.push_back(removes ? "" : key + random_text(random, length));
    auto done = [this, key, number](Status status) {
      MutexLock done_lock(mutex_);
      ++answers_;
      if (status) histories_[key].answered = std::max(histories_[key].answered, number);
      changed_.notify_all();
    };
    // On its own: the bytes must not move while the store writes them.
    bytes_.push_back(std::make_unique<std::string>(history.tried.back()));
    ++asked_;
    if (removes) {
      store.remove(key, done);
    } else {
      store.put(key, {bytes_of(std::string_view(*bytes_.back()))}, {.urgent = random() % 4 == 0},
                done);
    }
  }
  void wait_for_answers(std::uint64_t answers) {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    MutexLock lock(mutex_);
    while (answers_ < answers) ASSERT_TRUE(changed_.wait_until(mutex_, deadline));
  }
  // Afterwards what was found is what counts: it may not change again.
  void check(Store& store) {
    MutexLock lock(mutex_);
    for (auto& [key, history] : histories_) {
      auto got = get_and_wait(store, key);
      std::string value = got ? text_of(*got) : "";
      ASSERT_TRUE(got || got.error().code() == Code::kNotFound) << got.error().message();
      auto begin = history.tried.begin() + static_cast<long>(history.answered);
      ASSERT_NE(std::find(begin, history.tried.end(), value), history.tried.end())
          << key << ": " << value.size() << " bytes that were not the last answered ones or later";
      history.tried = {value};
      history.answered = 0;
    }
    bytes_.clear();
  }

  Mutex mutex_;
  CondVar changed_;
  std::map<std::string, History> histories_ GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<std::string>> bytes_ GUARDED_BY(mutex_);
  std::uint64_t asked_ GUARDED_BY(mutex_) = 0;
  std::uint64_t answers_ GUARDED_BY(mutex_) = 0;
};

TEST_P(PowerTest, answered_puts_survive) {
  std::uint64_t seed = system_random().next_u64();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  testing::ForgetfulFiles files(directory_.path());
  for (int round = 0; round < 40; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    auto store = open(options(), files);
    ASSERT_TRUE(store);
    ASSERT_NO_FATAL_FAILURE(check(*store));
    std::uint64_t changes = 1 + random() % 60;
    std::uint64_t off_after = 0;
    {
      MutexLock lock(mutex_);
      off_after = answers_ + random() % changes;
    }
    for (std::uint64_t i = 0; i < changes; ++i) {
      std::string key = "tlog:vm1:1:" + std::to_string(random() % 30);
      change(*store, key, random);
    }
    store->hurry();
    ASSERT_NO_FATAL_FAILURE(wait_for_answers(off_after));
    files.power_off(random(), GetParam());
    shut(store);
    std::uint64_t asked = 0;
    {
      MutexLock lock(mutex_);
      asked = asked_;
    }
    ASSERT_NO_FATAL_FAILURE(wait_for_answers(asked));  // each exactly once
    files.power_on();
  }
}

// The power goes off again while the store recovers from the last time.
TEST_P(PowerTest, recovery_survives_too) {
  std::uint64_t seed = system_random().next_u64();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  testing::ForgetfulFiles files(directory_.path());
  for (int round = 0; round < 25; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    auto store = open(options(), files);
    ASSERT_TRUE(store);
    ASSERT_NO_FATAL_FAILURE(check(*store));
    for (int i = 0; i < 40; ++i) change(*store, "k" + std::to_string(random() % 30), random);
    store->hurry();
    files.power_off(random(), GetParam());
    shut(store);
    files.power_on();
    for (int again = 0; again < 3; ++again) {
      std::thread cutter([&, at = random()] {
        // Somewhere in the opening: the number of turns is the only clock that does not guess.
        for (std::uint64_t i = 0; i < at % 200; ++i) std::this_thread::yield();
        files.power_off(at, GetParam());
      });
      auto interrupted = open_segment_store(options(), files, loop(), null_logger());
      cutter.join();
      if (interrupted) shut(*interrupted);
      files.power_on();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, PowerTest,
                         ::testing::Values(testing::PowerCut::kDropAll,
                                           testing::PowerCut::kDropBlocks,
                                           testing::PowerCut::kTearSectors),
                         [](const auto& parameter) {
                           switch (parameter.param) {
                             case testing::PowerCut::kDropAll:
                               return "drop_all";
                             case testing::PowerCut::kDropBlocks:
                               return "drop_blocks";
                             default:
                               return "tear_sectors";
                           }
                         });

}  // namespace
}  // namespace tlog::store
