// File: tests/unit/blocks/cluster_fixture.h
// Three redis-servers, a loop, and storages on them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/support/ardb_double.h"
#include "tests/support/redis_server.h"
#include "tests/support/resp_client.h"
#include "tlog/blocks/cluster_layout.h"
#include "tlog/blocks/cluster_storage.h"

namespace tlog::blocks {

constexpr std::uint64_t kVdiskSize = 4 * kMiB + 1536;
constexpr std::uint32_t kBlock = 4096;

// Keep what they confirm, as far as a process can.
inline testing::RedisOptions kept_servers() {
  testing::RedisOptions options;
  options.arguments = {"--appendonly", "yes", "--appendfsync", "always"};
  return options;
}

class ClusterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testing::RedisServer::available()) GTEST_SKIP() << "no redis-server";
    loop_ = std::move(*io::make_loop({}, null_logger()));
    ASSERT_TRUE(loop_->start());
  }
  void TearDown() override {
    if (loop_) loop_->stop();
  }
  void start_fleet(const testing::RedisOptions& options = {}) {
    fleet_ = std::make_unique<testing::RedisFleet>(3, options);
    addresses_ = fleet_->addresses();
  }
  // Doubles of ardb instead.
  void start_doubles() {
    for (int i = 0; i < 3; ++i) {
      doubles_.push_back(std::make_unique<testing::ArdbDouble>());
      addresses_.push_back(doubles_.back()->address());
    }
  }

  ClusterStorageOptions options(Epoch epoch, Sequence needed = 0) const {
    ClusterStorageOptions options;
    options.vdisk = "vm1";
    options.uuid.bytes[0] = 1;
    options.size = kVdiskSize;
    for (const std::string& address : addresses_) {
      store::RespStoreOptions server;
      server.address = address;
      server.request_timeout_ns = 3'000'000'000;
      server.backoff_min_ns = 10'000'000;
      server.backoff_max_ns = 200'000'000;
      options.servers.push_back(server);
    }
    options.epoch = epoch;
    options.needed = needed;
    options.possible = 1'000'000;
    return options;
  }
  Result<std::unique_ptr<BlockStorage>> try_open(const ClusterStorageOptions& options) {
    return open_cluster_storage(options, *loop_, null_logger());
  }
  std::unique_ptr<BlockStorage> open(const ClusterStorageOptions& options) {
    auto storage = try_open(options);
    if (!storage) throw std::runtime_error(storage.error().message());
    return std::move(*storage);
  }
  // A new vdisk, opened by epoch 1.
  std::unique_ptr<BlockStorage> create() {
    ClusterStorageOptions fresh = options(0);
    fresh.create = true;
    open(fresh).reset();
    return open(options(1));
  }
  std::string key() const {
    const ClusterStorageOptions some = options(0);
    return ClusterLayout{.vdisk = some.vdisk, .uuid = some.uuid}.key();
  }

  static Status write(BlockStorage& storage, std::uint64_t offset, ConstByteSpan bytes,
                      Sequence sequence) {
    const ConstByteSpan pieces[] = {bytes};
    TLOG_TRY(storage.write(offset, pieces));
    return storage.settle(sequence);
  }
  static std::vector<std::byte> filled(std::size_t length, int value) {
    return std::vector<std::byte>(length, static_cast<std::byte>(value));
  }
  static Result<std::vector<std::byte>> read(BlockStorage& storage, std::uint64_t offset,
                                             std::size_t length) {
    std::vector<std::byte> got(length, std::byte{0xEE});
    TLOG_TRY(storage.read(offset, got));
    return got;
  }

  static bool lacks(BlockStorage& storage, std::size_t server, Sequence has) {
    const auto all = storage.lacking();
    return all.size() == 1 && all[0].server == server && all[0].has == has;
  }

  std::unique_ptr<testing::RedisFleet> fleet_;
  std::vector<std::unique_ptr<testing::ArdbDouble>> doubles_;
  std::vector<std::string> addresses_;
  std::unique_ptr<io::Loop> loop_;
};

// On redis-servers, and with the parameter true on doubles of ardb.
class EitherClusterTest : public ClusterTest, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    if (IsSkipped()) return;
    if (GetParam()) {
      start_doubles();
    } else {
      start_fleet();
    }
    direct_ = addresses_[0];
  }
  std::string command(const std::vector<std::string>& words) {
    return testing::RespClient(direct_).command(words);
  }

  std::string direct_;  // the first server's address, whatever stands before it
};

}  // namespace tlog::blocks
