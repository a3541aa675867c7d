// File: tests/unit/store/loop_fixture.h
// A running loop for the tests of stores.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tlog/io/loop.h"
#include "tlog/store/store.h"

namespace tlog::store {

class LoopTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loop = io::make_loop({}, null_logger());
    ASSERT_TRUE(loop) << loop.error().message();
    loop_ = std::move(*loop);
    Status started = loop_->start();
    ASSERT_TRUE(started) << started.error().message();
  }
  void TearDown() override {
    if (loop_) loop_->stop();
  }
  io::Loop& loop() { return *loop_; }

 private:
  std::unique_ptr<io::Loop> loop_;
};

inline std::string text_of(const Buffer& buffer) {
  return std::string(reinterpret_cast<const char*>(buffer.data()), buffer.size());
}

}  // namespace tlog::store
