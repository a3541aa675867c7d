// File: tests/unit/resp_store/fixture.h
// A loop, stores on it, and calls that wait with a bound.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>

#include "tests/support/redis_server.h"
#include "tlog/io/loop.h"
#include "tlog/store/stores.h"

namespace tlog::store {

constexpr std::uint64_t kMs = 1'000'000;

class RespStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    loop_ = std::move(*io::make_loop({}, null_logger()));
    ASSERT_TRUE(loop_->start());
  }
  void TearDown() override {
    for (auto& store : stores_) close(*store);
    stores_.clear();
    loop_->stop();
  }

  // Short times, so that trouble shows itself soon; generous enough for a busy machine.
  static RespStoreOptions options_for(const std::string& address) {
    RespStoreOptions options;
    options.address = address;
    options.request_timeout_ns = 5000 * kMs;
    options.backoff_min_ns = 10 * kMs;
    options.backoff_max_ns = 200 * kMs;
    return options;
  }
  Store& open(const RespStoreOptions& options) {
    auto store = open_resp_store(options, *loop_, null_logger());
    EXPECT_TRUE(store);
    return *stores_.emplace_back(std::move(*store));
  }
  Store& open(const std::string& address) { return open(options_for(address)); }

  template <class T>
  static T wait(std::future<T> future) {
    if (future.wait_for(std::chrono::seconds(30)) != std::future_status::ready) {
      ADD_FAILURE() << "no answer within 30 s";
      std::abort();
    }
    return future.get();
  }
  template <class T, class Start>
  static T await(Start start) {
    auto promise = std::make_shared<std::promise<T>>();
    auto future = promise->get_future();
    start([promise](T value) { promise->set_value(std::move(value)); });
    return wait(std::move(future));
  }
  static Status put(Store& store, const std::string& key, std::string_view value) {
    return await<Status>([&](auto done) { store.put(key, {bytes_of(value)}, {}, done); });
  }
  static Result<std::string> get(Store& store, const std::string& key) {
    auto promise = std::make_shared<std::promise<Result<std::string>>>();
    auto future = promise->get_future();
    store.get(key, [promise](Result<Buffer> value) {
      if (!value) return promise->set_value(fail(std::move(value).error()));
      promise->set_value(std::string(reinterpret_cast<const char*>(value->data()), value->size()));
    });
    return wait(std::move(future));
  }
  // The value as text for comparisons: an error, which a stalled machine may cause, is another text
  // than any value.
  static std::string value_at(Store& store, const std::string& key) {
    const Result<std::string> value = get(store, key);
    return value ? *value : "(" + value.error().message() + ")";
  }
  static Result<std::uint64_t> stat(Store& store, const std::string& key) {
    return await<Result<std::uint64_t>>([&](auto done) { store.stat(key, done); });
  }
  static Status remove(Store& store, const std::string& key) {
    return await<Status>([&](auto done) { store.remove(key, done); });
  }
  static Result<std::vector<std::string>> scan(Store& store, const std::string& prefix,
                                               const std::string& after, std::size_t limit) {
    return await<Result<std::vector<std::string>>>(
        [&](auto done) { store.scan(prefix, after, limit, done); });
  }
  static void close(Store& store) {
    await<int>([&](auto done) { store.close([done] { done(0); }); });
  }
  // Asks until the store answers again; false when it has not within 20 s.
  static bool heals(Store& store) {
    return testing::wait_until([&] { return put(store, "heal", "x").has_value(); },
                               testing::Milliseconds(20'000));
  }

  std::unique_ptr<io::Loop> loop_;
  std::vector<std::unique_ptr<Store>> stores_;
};

}  // namespace tlog::store

#define TLOG_NEEDS_REDIS() \
  if (!testing::RedisServer::available()) GTEST_SKIP() << "no redis-server"
