// What of a server's calls is under way: who waits for room, and what becomes of those whose
// answers nobody wants any more.
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <vector>

#include "gateways/cas/calls.h"

namespace tlog::cas {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kAnswerBytes = 2 * kMiB;

// Calls with an answer each, of which one has room.
class CallsWaiting : public ::testing::Test {
 protected:
  struct One {
    Calls::Id id;
    std::promise<void> worked;
    std::future<void> work_done = worked.get_future();
    bool is_cancelled = false;
  };

  void begin(int wanted) {
    for (int i = 0; i < wanted; ++i) {
      auto one = std::make_unique<One>();
      const auto id = calls->admit(0, [one = one.get()] { one->is_cancelled = true; });
      ASSERT_TRUE(id) << id.error().message();
      one->id = *id;
      calls->submit(*id, kAnswerBytes, [one = one.get()] { one->worked.set_value(); });
      all.push_back(std::move(one));
    }
  }
  static bool is_done(One& one, int ms) {
    return one.work_done.wait_for(std::chrono::milliseconds(ms)) == std::future_status::ready;
  }
  ~CallsWaiting() override {
    for (const auto& one : all) calls->hurry(one->id);
    for (const auto& one : all) EXPECT_TRUE(is_done(*one, 10'000));
    for (const auto& one : all) calls->end(one->id);
    calls->stop();
  }

  std::vector<std::unique_ptr<One>> all;
  std::unique_ptr<Calls> calls = Calls::start(1, 3 * kMiB);
};

TEST_F(CallsWaiting, who_comes_first_is_let_in_first_when_there_is_room) {
  begin(3);
  EXPECT_TRUE(is_done(*all[0], 10'000));
  EXPECT_FALSE(is_done(*all[1], 20));
  calls->has_answer(all[0]->id, 10);
  EXPECT_TRUE(is_done(*all[1], 10'000));
  EXPECT_FALSE(is_done(*all[2], 20));
}

TEST_F(CallsWaiting, who_is_not_waited_for_any_more_waits_no_longer_and_takes_no_room) {
  begin(3);
  EXPECT_TRUE(is_done(*all[0], 10'000));
  calls->hurry(all[2]->id);
  EXPECT_TRUE(is_done(*all[2], 10'000));
  calls->hurry(all[2]->id);  // once
  EXPECT_FALSE(is_done(*all[1], 20)) << "room was given back that had not been taken";
}

// As many as are cancelled together, although the first of them end, and give their room back,
// before the others know of it.
TEST_F(CallsWaiting, those_that_are_cancelled_while_they_wait_are_not_let_in) {
  begin(3);
  EXPECT_TRUE(is_done(*all[0], 10'000));
  calls->cancel_older_than(0);
  for (const auto& one : all) {
    EXPECT_TRUE(one->is_cancelled);
    EXPECT_TRUE(is_done(*one, 10'000)) << "it waits still, and is let in by who ends first";
  }
  begin(1);
  EXPECT_FALSE(is_done(*all[3], 20));
  calls->has_answer(all[0]->id, 0);
  EXPECT_TRUE(is_done(*all[3], 10'000));
}

TEST_F(CallsWaiting, those_that_are_young_are_left_alone) {
  begin(2);
  EXPECT_TRUE(is_done(*all[0], 10'000));
  calls->cancel_older_than(600'000'000'000);
  EXPECT_FALSE(all[0]->is_cancelled);
  EXPECT_FALSE(is_done(*all[1], 20));
}

}  // namespace
}  // namespace tlog::cas
