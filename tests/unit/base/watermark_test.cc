// Who waits for a sequence, and what ends the wait.
#include <gtest/gtest.h>

#include <future>

#include "tlog/base/watermark.h"

namespace tlog {
namespace {

constexpr std::uint64_t kLongNs = 20'000'000'000;

// One wait is ended: nobody polls for that, and the others go on.
TEST(Watermark, a_wait_that_is_ended_ends_at_once_and_alone) {
  Watermark mark;
  std::atomic<bool> ended{false};
  std::atomic<bool> never{false};
  auto one = std::async(std::launch::async, [&] { return mark.wait(5, kLongNs, &ended); });
  auto other = std::async(std::launch::async, [&] { return mark.wait(5, kLongNs, &never); });
  EXPECT_EQ(one.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  ended = true;
  mark.wake();
  EXPECT_EQ(one.get(), Watermark::Outcome::kEnded);
  EXPECT_EQ(other.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  mark.advance(5);
  EXPECT_EQ(other.get(), Watermark::Outcome::kReached);
  EXPECT_EQ(mark.wait(5, kLongNs, &ended), Watermark::Outcome::kReached) << "it is there";
}

}  // namespace
}  // namespace tlog
