// A server of contents in memory, and clients of it, in one process. The contents do as they are
// told: answer wrongly, fail, wait.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <thread>

#include "gateways/cas/grpc_contents.h"
#include "gateways/cas/grpc_service.h"
#include "tests/support/keeping_logger.h"
#include "tests/support/temp_directory.h"
#include "tlog/base/mutex.h"

namespace tlog::testing {

class ScriptedContents final : public cas::Contents {
 public:
  // Asked first, with what was asked; an error is answered as it is.
  std::function<Status()> before = [] { return Status(); };
  std::function<cas::Address(std::string_view)> address_of = &cas::address_of;

  Result<cas::Address> add(std::string_view content) override {
    TLOG_TRY(before());
    MutexLock lock(mutex_);
    const cas::Address address = address_of(content);
    contents_[address] = content;
    return address;
  }
  Result<std::string> get(const cas::Address& address) override {
    TLOG_TRY(before());
    return find(contents_, address);
  }
  Status update(const std::string& name, std::string_view content) override {
    TLOG_TRY(before());
    MutexLock lock(mutex_);
    names_[name] = content;
    return {};
  }
  Result<std::string> fetch(const std::string& name) override {
    TLOG_TRY(before());
    return find(names_, name);
  }
  void put(const cas::Address& address, std::string content) {
    MutexLock lock(mutex_);
    contents_[address] = std::move(content);
  }

 private:
  using Map = std::map<std::string, std::string>;
  Result<std::string> find(const Map& map, const std::string& key) const {
    MutexLock lock(mutex_);
    const auto found = map.find(key);
    if (found == map.end()) return fail(Code::kNotFound, "no such thing");
    return found->second;
  }

  mutable Mutex mutex_;
  Map contents_;
  Map names_;
};

// Closed until it is opened, once.
class Gate {
 public:
  void open() {
    MutexLock lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }
  void pass() {
    MutexLock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    while (!is_open_) changed_.wait(mutex_);
  }
  void wait_for(unsigned waiting) {
    MutexLock lock(mutex_);
    while (waiting_ < waiting) changed_.wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool is_open_ GUARDED_BY(mutex_) = false;
  unsigned waiting_ GUARDED_BY(mutex_) = 0;
};

struct GrpcFixture : ::testing::Test {
  Status serve(const std::string& address, const cas::GrpcServerOptions& options = {}) {
    TLOG_ASSIGN(server, cas::GrpcServer::start(address, options, scripted, logger));
    return {};
  }
  void serve_on_unix(const cas::GrpcServerOptions& options = {}) {
    const Status started = serve("unix:" + directory.file("s"), options);
    ASSERT_TRUE(started) << started.error().message();
  }
  std::unique_ptr<cas::Contents> client(cas::GrpcContentsOptions options = {}) const {
    if (options.target.empty()) options.target = server->address();
    auto made = cas::make_grpc_contents(options);
    EXPECT_TRUE(made) << made.error().message();
    return made ? std::move(*made) : nullptr;
  }

  const TempDirectory directory;
  KeepingLogger logger;
  ScriptedContents scripted;
  std::unique_ptr<cas::GrpcServer> server;
};

}  // namespace tlog::testing
