// File: tests/unit/io/loop_fixture.h
// A running loop of either kind, and waiting with a bound.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>

#include "tests/support/temp_directory.h"
#include "tlog/io/loop.h"

namespace tlog::io {

class LoopTest : public ::testing::TestWithParam<IoMode> {
 protected:
  void SetUp() override {
    auto loop = make_loop({.mode = GetParam(), .queue_entries = 32}, null_logger());
    if (!loop && GetParam() == IoMode::kUring) GTEST_SKIP() << loop.error().message();
    ASSERT_TRUE(loop) << loop.error().message();
    loop_ = std::move(*loop);
    ASSERT_TRUE(loop_->start());
    ASSERT_EQ(loop_->mode(), GetParam());
  }
  void TearDown() override {
    if (loop_) loop_->stop();
  }

  // Starts something on the loop and waits for the answer it gives through the function it gets.
  template <class T, class Start>
  T await(Start start) {
    auto promise = std::make_shared<std::promise<T>>();
    auto future = promise->get_future();
    loop_->post(
        [start, promise] { start([promise](T value) { promise->set_value(std::move(value)); }); });
    if (future.wait_for(std::chrono::seconds(20)) != std::future_status::ready) {
      ADD_FAILURE() << "no answer in 20 s";
      std::abort();
    }
    return future.get();
  }
  std::unique_ptr<File> make_file(const std::string& name, bool direct = false) {
    auto file = system_files().open(directory_.file(name),
                                    {.write = true, .create = true, .direct = direct});
    EXPECT_TRUE(file);
    return std::move(*file);
  }

  testing::TempDirectory directory_;
  std::unique_ptr<Loop> loop_;
};

inline std::string mode_name(const ::testing::TestParamInfo<IoMode>& info) {
  return info.param == IoMode::kUring ? "Uring" : "Posix";
}

}  // namespace tlog::io

#define TLOG_BOTH_LOOPS(suite)                                                                 \
  INSTANTIATE_TEST_SUITE_P(                                                                    \
      Modes, suite, ::testing::Values(::tlog::io::IoMode::kUring, ::tlog::io::IoMode::kPosix), \
      ::tlog::io::mode_name)
