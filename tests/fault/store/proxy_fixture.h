// File: tests/fault/store/proxy_fixture.h
// A redis-protocol store, its server, and a FaultProxy between them. The server has some values,
// and whatever is done to the connection: the store answers everything within its deadlines, never
// with a wrong value, never with "absent" for what is there.
#pragma once

#include <functional>
#include <future>

#include "tests/support/fault_proxy.h"
#include "tests/unit/resp_store/any_server_fixture.h"

namespace tlog::store {

class RespStoreBehindProxy : public RespStoreOnAnyServer {
 protected:
  static constexpr int kValues = 24;

  void SetUp() override {
    RespStoreOnAnyServer::SetUp();
    if (IsSkipped()) return;
    server_ = std::make_unique<testing::AnyServer>(GetParam());
    proxy_ = std::make_unique<testing::FaultProxy>(server_->address());
    for (int i = 0; i < kValues; ++i)
      ASSERT_EQ(server_->command({"SET", key_of(i), value_of(i)}), "OK");
  }
  void TearDown() override {
    if (proxy_) proxy_->heal();  // closing waits for nothing, but a failed test should end soon
    RespStoreOnAnyServer::TearDown();
  }

  static std::string key_of(int i) { return "value:" + std::to_string(100 + i); }
  // Each is another one; most fit into one packet, some do not.
  static std::string value_of(int i) {
    const std::string name = "<value of " + key_of(i) + ">";
    std::string value;
    const std::size_t size = i % 8 == 7 ? 200'000 : 30 + static_cast<std::size_t>(i) * 11;
    while (value.size() < size) value += name;
    return value;
  }

  // Deadlines that make faults visible soon.
  RespStoreOptions hasty() const {
    RespStoreOptions options = options_for(proxy_->address());
    options.request_timeout_ns = 300 * kMs;
    return options;
  }
  Store& open_up(const RespStoreOptions& options) {
    Store& store = open(options);
    EXPECT_TRUE(heals(store));
    return store;
  }

  using Values = std::vector<std::future<Result<std::string>>>;
  // Gets of values first .. last-1, all at once.
  static Values ask(Store& store, int first, int last) {
    Values values;
    for (int i = first; i < last; ++i) {
      auto promise = std::make_shared<std::promise<Result<std::string>>>();
      values.push_back(promise->get_future());
      store.get(key_of(i), [promise](Result<Buffer> value) {
        if (!value) return promise->set_value(fail(std::move(value).error()));
        promise->set_value(
            std::string(reinterpret_cast<const char*>(value->data()), value->size()));
      });
    }
    return values;
  }
  // Waits for them: each is right, or an error that may pass. Answers how many were right.
  static int check(Values values, int first) {
    int right = 0;
    for (auto& future : values) {
      const int i = first++;
      const Result<std::string> value = wait(std::move(future));
      if (value) {
        EXPECT_TRUE(*value == value_of(i)) << key_of(i) << " is " << value->substr(0, 60);
        ++right;
      } else {
        EXPECT_TRUE(may_pass(value.error())) << value.error().message();
      }
    }
    return right;
  }
  static bool may_pass(const Error& error) {
    return error.code() == Code::kTimeout || error.code() == Code::kUnavailable ||
           error.code() == Code::kIoError;
  }
  void expect_whole_again(Store& store) {
    proxy_->heal();
    ASSERT_TRUE(heals(store)) << store.status().condition;
    EXPECT_TRUE(store.status().usable) << store.status().condition;
    EXPECT_EQ(check(ask(store, 0, kValues), 0), kValues);
    EXPECT_EQ(keys_with(store, "value:"), static_cast<std::size_t>(kValues));
  }
  // 0 also when the store cannot tell.
  static std::size_t keys_with(Store& store, const std::string& prefix) {
    const auto keys = scan(store, prefix, "", 1000);
    return keys ? keys->size() : 0;
  }
  std::uint64_t connections() { return proxy_->counts().connections; }
  // The store has given the connection up and has made another.
  bool reconnects(std::uint64_t before) {
    return testing::wait_until([&] { return connections() > before; },
                               testing::Milliseconds(20'000));
  }

  std::unique_ptr<testing::AnyServer> server_;
  std::unique_ptr<testing::FaultProxy> proxy_;
};

}  // namespace tlog::store
