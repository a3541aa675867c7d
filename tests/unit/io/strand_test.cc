// Goal: a strand never runs two steps at once, forgets no call, and runs in the thread of who waits
// for it only when nobody else is at it. Method: steps that stop at a gate.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "tests/support/process.h"
#include "tlog/io/strand.h"

namespace tlog::io {
namespace {

constexpr testing::Milliseconds kSoon{20'000};

class StrandTest : public ::testing::Test {
 protected:
  StrandTest() { workers_.start(2, "strand"); }
  ~StrandTest() override {
    strand_.stop_and_wait();
    workers_.stop();
  }
  bool step() {
    EXPECT_EQ(inside_.fetch_add(1), 0) << "two at once";
    ran_in_ = std::this_thread::get_id();
    ++steps_;
    EXPECT_TRUE(testing::wait_until([this] { return gate_is_open_.load(); }, kSoon));
    const bool more = more_.exchange(false);
    inside_.fetch_sub(1);
    return more;
  }
  bool ran(int steps) {
    return testing::wait_until([&] { return steps_ == steps && inside_ == 0; }, kSoon);
  }

  std::atomic<int> inside_{0};
  std::atomic<int> steps_{0};
  std::atomic<std::thread::id> ran_in_{};
  std::atomic<bool> gate_is_open_{true};
  std::atomic<bool> more_{false};
  Workers workers_;
  Strand strand_{workers_, [this] { return step(); }};
};

TEST_F(StrandTest, who_waits_runs_it) {
  strand_.run_here();
  EXPECT_EQ(steps_, 1);
  EXPECT_EQ(ran_in_.load(), std::this_thread::get_id());
}

TEST_F(StrandTest, who_waits_runs_one_step_and_the_workers_the_rest) {
  more_ = true;
  strand_.run_here();
  EXPECT_TRUE(ran(2));
  EXPECT_NE(ran_in_.load(), std::this_thread::get_id());
}

TEST_F(StrandTest, a_call_during_a_step_is_not_forgotten) {
  const std::function<void()> calls[] = {[this] { strand_.schedule(); },
                                         [this] { strand_.run_here(); }};
  for (const auto& first : calls) {
    for (const auto& second : calls) {
      steps_ = 0;
      gate_is_open_ = false;
      std::thread caller(first);
      EXPECT_TRUE(testing::wait_until([this] { return steps_ == 1; }, kSoon));
      second();  // does not wait for the step
      EXPECT_EQ(steps_, 1);
      gate_is_open_ = true;
      caller.join();
      EXPECT_TRUE(ran(2));
    }
  }
}

TEST_F(StrandTest, stopping_waits_for_a_step_in_another_thread_and_none_begins_afterwards) {
  gate_is_open_ = false;
  std::thread caller([this] { strand_.run_here(); });
  EXPECT_TRUE(testing::wait_until([this] { return inside_ == 1; }, kSoon));
  std::atomic<bool> stopped{false};
  std::thread stopper([&] {
    strand_.stop_and_wait();
    EXPECT_EQ(inside_, 0);
    stopped = true;
  });
  // A stopping that does not wait has every chance to end here.
  (void)testing::wait_until([&] { return stopped.load(); }, testing::Milliseconds(50));
  gate_is_open_ = true;
  caller.join();
  stopper.join();
  strand_.run_here();
  strand_.schedule();
  EXPECT_EQ(steps_, 1);
}

}  // namespace
}  // namespace tlog::io
