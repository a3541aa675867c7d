// Goal: a log over redis servers behind a bad network: commits go on while one server is stopped or
// cut off, and whatever happened, every shard is where it belongs afterwards and the log is what
// was appended.
// Method: six redis-servers, a FaultProxy before each, a log writer and reader over them.
#include <gtest/gtest.h>

#include <random>

#include "tests/support/fault_proxy.h"
#include "tests/support/log_rig.h"
#include "tests/support/redis_server.h"
#include "tlog/store/stores.h"

namespace tlog::flush {
namespace {

using testing::FaultProxy;
using testing::Faults;
using testing::LogRig;
using testing::MessageFault;
using testing::Milliseconds;

constexpr unsigned kServers = 6;  // 4+2

class LogBehindProxies : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testing::RedisServer::available()) GTEST_SKIP() << "no redis-server";
    fleet_ = std::make_unique<testing::RedisFleet>(kServers);
    for (const std::string& address : fleet_->addresses())
      proxies_.push_back(std::make_unique<FaultProxy>(address));
    testing::LogRigOptions options;
    options.make_store = [this](unsigned index, io::Loop& loop) {
      store::RespStoreOptions store;
      store.address = proxies_[index]->address();
      store.request_timeout_ns = 500'000'000;
      store.backoff_min_ns = 10'000'000;
      store.backoff_max_ns = 200'000'000;
      return std::move(*store::open_resp_store(store, loop, null_logger()));
    };
    rig_ = std::make_unique<LogRig>(options);
    ASSERT_TRUE(rig_->create());
    ASSERT_TRUE(rig_->open_writer());
  }
  void append_and_commit(unsigned count) {
    rig_->append(count);
    ASSERT_TRUE(rig_->wait_committed(rig_->model().size())) << rig_->writer().status().waiting_for;
  }
  void heal() {
    for (auto& proxy : proxies_) proxy->heal();
  }
  // Nothing is owed to any store, and each has its shard of everything.
  void expect_everything_is_stored() {
    heal();
    ASSERT_TRUE(rig_->wait_until([&] { return rig_->writer().status().missing_shards == 0; }, 60));
    for (const testing::Appended& each : rig_->model()) {
      for (unsigned i = 0; i < kServers; ++i) {
        const std::string key = rig_->key(each.reference.number);
        EXPECT_EQ((*fleet_)[i].command({"EXISTS", key}), "1") << key << " on server " << i;
      }
    }
    rig_->close_writer();
    rig_->expect_log_is_model();
  }

  std::unique_ptr<testing::RedisFleet> fleet_;
  std::vector<std::unique_ptr<FaultProxy>> proxies_;
  std::unique_ptr<LogRig> rig_;
};

TEST_F(LogBehindProxies, AStoppedServerDoesNotHoldCommitsUp) {
  for (unsigned i = 0; i < kServers; i += 2) {
    (*fleet_)[i].pause();
    append_and_commit(10);  // while it is stopped
    (*fleet_)[i].resume();
    append_and_commit(3);
    ASSERT_TRUE(rig_->wait_until([&] { return rig_->writer().status().missing_shards == 0; }, 60));
  }
  expect_everything_is_stored();
}

TEST_F(LogBehindProxies, EachFaultOfOneServerIsBorne) {
  const std::vector<Faults> lasting = {
      {.black_hole = true},      {.refuse = true},   {.reply_delay = Milliseconds(700)},
      {.bytes_per_second = 300}, {.piece_bytes = 1},
  };
  const std::vector<MessageFault> single = {
      MessageFault::cut_request("SET", 70),
      MessageFault::cut_reply("SET", 2),
      MessageFault::duplicate_reply("SET"),
      MessageFault::replace_reply("SET", "rubbish\r\n"),
      MessageFault::extra_reply("SET", "+OK\r\n"),
  };
  for (unsigned i = 0; i < lasting.size() + single.size(); ++i) {
    FaultProxy& proxy = *proxies_[i % kServers];
    if (i < lasting.size()) {
      proxy.set(lasting[i]);
      if (lasting[i].refuse) proxy.close_connections();
      append_and_commit(4);
    } else {
      const std::uint64_t before = proxy.counts().faults;
      proxy.next(single[i - lasting.size()]);
      append_and_commit(4);
      // The commit may have come without this server.
      ASSERT_TRUE(rig_->wait_until([&] { return proxy.counts().faults > before; }));
    }
    proxy.heal();
    ASSERT_TRUE(rig_->wait_until([&] { return rig_->writer().status().missing_shards == 0; }, 60))
        << "fault " << i;
  }
  expect_everything_is_stored();
}

TEST_F(LogBehindProxies, ConnectionsThatAreResetLoseNothing) {
  std::uint64_t seed = 14;
  if (const char* text = std::getenv("TLOG_SEED")) seed = std::strtoull(text, nullptr, 10);
  SCOPED_TRACE(::testing::Message() << "TLOG_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 60; ++round) {
    rig_->append(1 + static_cast<unsigned>(random() % 3));
    const unsigned server = static_cast<unsigned>(random() % kServers);
    if (round % 3 == 0)
      (*fleet_)[server].command({"CLIENT", "KILL", "TYPE", "normal"});
    else if (round % 3 == 1)
      proxies_[server]->reset_connections();
    else
      for (auto& proxy : proxies_) proxy->reset_connections();
  }
  append_and_commit(1);
  expect_everything_is_stored();
}

TEST_F(LogBehindProxies, AValueOfAnotherKeyIsNotUsed) {
  append_and_commit(60);
  rig_->close_writer();
  // While it is read, replies come twice: those after them on that connection answer other keys'
  // questions. What a shard says of itself tells; k others carry.
  for (int round = 0; round < 4; ++round) {
    for (unsigned i = 0; i < 2; ++i)
      proxies_[(static_cast<unsigned>(round) + i) % kServers]->next(
          MessageFault::duplicate_reply("GET"));
    rig_->expect_log_is_model();
  }
  std::uint64_t doubled = 0;
  for (auto& proxy : proxies_) doubled += proxy->counts().faults;
  EXPECT_EQ(doubled, 8U);
}

}  // namespace
}  // namespace tlog::flush
