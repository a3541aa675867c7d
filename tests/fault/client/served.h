// A client's test among real servers, each with stores of its own, which outlive it, behind a proxy
// that can cut what passes.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tests/fault/server/server_rig.h"
#include "tests/support/client_rig.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/redis_server.h"
#include "tlog/store/stores.h"

namespace tlog::testing {

// As its sequences and bytes are; the key is handed over.
inline constexpr std::string_view kServedVdisk = "vm1";

class Served : public ::testing::Test {
 protected:
  ~Served() override { rig.close(0); }

  // With `redis`: each in a database of its own of these. Stores in memory cannot be shared: they
  // know nothing of who writes.
  void make_servers(unsigned count, RedisFleet* redis = nullptr) {
    for (unsigned i = 0; i < count; ++i) {
      add_server();
      if (redis != nullptr) use_redis(*servers.back(), *redis, std::to_string(i));
    }
  }
  void add_server() {
    servers.push_back(std::make_unique<ServerRig>([](server::ServerOptions& options) {
      options.flush_time_ns = 20'000'000;
      options.session_memory_bytes = 4 * kMiB;
    }));
    away.push_back(false);
    proxies.push_back(std::make_unique<FaultProxy>(
        servers.back()->address(), rig.socket("proxy" + std::to_string(proxies.size())),
        ProxySpeech::kOther));
  }
  static void use_redis(ServerRig& server, RedisFleet& redis, const std::string& db) {
    server.make_store = [&server, &redis, db](const std::string& vdisk, unsigned i,
                                              io::Loop& loop) {
      store::RespStoreOptions options;
      options.address = redis[i].address();
      options.db = db;
      options.vdisk = vdisk;
      auto store = store::open_resp_store(options, loop, server.logger());
      if (!store) throw std::runtime_error(store.error().message());
      return std::move(*store);
    };
  }

  // What it had received and not stored is lost.
  void kill(std::size_t index) {
    servers[index]->kill();
    away[index] = true;
  }
  void start(std::size_t index) {
    if (!away[index]) return;
    servers[index]->start();
    away[index] = false;
  }

  client::ClientOptions options(unsigned stored) {
    std::vector<std::string> addresses;
    for (const auto& proxy : proxies) addresses.push_back(proxy->address());
    client::ClientOptions options = rig.options(std::move(addresses), stored);
    options.format.data_shards = options.format.parity_shards = 0;  // as the servers have it
    options.silence_ns = 2'000'000'000;
    options.key = &key;
    return options;
  }
  ::testing::AssertionResult open(unsigned stored) {
    auto opened = rig.open(options(stored));
    if (opened) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << opened.error().message();
  }
  ::testing::AssertionResult stored(Sequence sequence) {
    rig.client().force(sequence);
    if (rig.wait_stored(sequence)) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "stored " << rig.client().stored() << " of " << sequence
                                         << "; " << rig.client().waiting_for() << "\n"
                                         << rig.logger.lines();
  }
  // Soon server `index` says that it has stored all there is.
  ::testing::AssertionResult complete(std::size_t index) {
    rig.client().force(rig.end());
    if (eventually([&] { return rig.marker(index).stored >= rig.end(); }))
      return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure()
           << rig.marker(index).address << " has stored " << rig.marker(index).stored << " of "
           << rig.end() << ": " << rig.marker(index).reason << "\n"
           << rig.logger.lines() << servers[index]->logger().lines();
  }
  // How many records its stores have, when nobody writes any more: each once, in order, and right.
  Sequence count_stored(std::size_t index) {
    const auto records = servers[index]->read_stores(std::string(kServedVdisk));
    for (std::size_t i = 0; i < records.size(); ++i) EXPECT_EQ(records[i].sequence, i + 1) << index;
    EXPECT_EQ(rig.difference(records, 0), "") << index;
    return records.size();
  }
  // After the client's end every log has all.
  void check_all_logs() {
    const Sequence end = rig.end();
    rig.close();
    for (std::size_t i = 0; i < servers.size(); ++i) {
      kill(i);
      EXPECT_EQ(count_stored(i), end) << i;
    }
  }

  const seal::MasterKey key = ServerRig().key();  // the one that each reads its stores with
  ClientRig rig;
  std::vector<std::unique_ptr<ServerRig>> servers;
  std::vector<bool> away;  // killed
  std::vector<std::unique_ptr<FaultProxy>> proxies;
};

}  // namespace tlog::testing
