// Goal: stores that are slower than the writer cost time, not memory, and no write fails of it.
// Method: a served vdisk whose log is on six redis-servers, each behind a throttling proxy; random
// 4 KiB writes, several times as fast as the links.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <random>

#include "tests/bench/process_stat.h"
#include "tests/nbd/serving.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/redis_server.h"

namespace tlog::testing {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr std::uint64_t kVdiskMib = 128;
constexpr std::uint64_t kBlocks = kVdiskMib * kMiB / kBlock;
constexpr std::uint64_t kBudget = 256 * kMiB;  // memoryBudget, unless configured
constexpr std::size_t kDepth = 32;
constexpr std::uint64_t kLinkBytesPerSecond = 1'000'000;

// What the write of that number has.
void fill(Bytes& block, std::uint64_t number) {
  for (std::uint64_t i = 0; i < kBlock / 8; ++i) {
    const std::uint64_t word = (number * 512 + i) * 0x9E3779B97F4A7C15ULL ^ number;
    std::memcpy(block.data() + i * 8, &word, sizeof word);
  }
}

class NbdMemory : public Serving {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer's shadow is no measure of memory";
#endif
    if (!RedisServer::available()) GTEST_SKIP() << "redis-server is not installed";
    fleet_ = std::make_unique<RedisFleet>(6);
    std::string servers;
    for (const std::string& address : fleet_->addresses()) {
      proxies_.push_back(std::make_unique<FaultProxy>(address));
      servers +=
          (servers.empty() ? "" : ", ") + ("{address: \"" + proxies_.back()->address()) + "\"}";
    }
    options_.clusters = "  slow: {servers: [" + servers + "]}\n";
    options_.tlog = "cluster: slow, stallTimeout: 60s";
    options_.vdisks = {{.size_mib = kVdiskMib, .description = "", .more = ""}};
    written_.resize(kBlocks);
  }

  void throttle(std::uint64_t bytes_per_second) {
    for (auto& proxy : proxies_) proxy->set({.bytes_per_second = bytes_per_second});
  }
  bench::ProcessStat stat() {
    auto stat = bench::process_stat(server->process().pid());
    if (!stat) throw std::runtime_error(stat.error().message());
    return *stat;
  }
  // Answers the resident memory before there is anything to do.
  std::uint64_t serve_over_slow_links(std::uint64_t journal_mib) {
    options_.journal_mib = journal_mib;
    serve({"-t", "64"}, options_);
    const std::uint64_t at_start = stat().resident_bytes;
    throttle(kLinkBytesPerSecond);
    return at_start;
  }
  // Of shards (4+2: half as much again as was written) that no store has been sent yet.
  std::uint64_t backlog_bytes() {
    std::uint64_t passed = 0;
    for (auto& proxy : proxies_) passed += proxy->counts().request_bytes;
    const std::uint64_t shards = number_ * kBlock / 2 * 3;
    return shards - std::min(shards, passed);
  }
  // Random blocks, kDepth at a time. Each write must succeed, however long it takes.
  void write_random(NbdClient& client, std::uint64_t bytes) {
    std::mt19937_64 random(1);
    struct Slot {
      Bytes bytes = Bytes(kBlock);
      std::int64_t cookie = -1;
      std::uint64_t block = 0;
    };
    std::array<Slot, kDepth> slots;
    const std::uint64_t last = number_ + bytes / kBlock;
    for (std::size_t turn = 0; number_ < last; ++turn) {
      Slot& slot = slots[turn % kDepth];
      if (slot.cookie >= 0) {
        ASSERT_EQ(client.await(slot.cookie, 90'000), 0) << "write " << number_;
      }
      do slot.block = random() % kBlocks;  // not one that is under way: the order would be open
      while (std::any_of(slots.begin(), slots.end(), [&](const Slot& other) {
        return &other != &slot && other.block == slot.block;
      }));
      fill(slot.bytes, ++number_);
      written_[slot.block] = number_;
      slot.cookie = client.send_write(slot.block * kBlock, slot.bytes);
    }
    for (Slot& slot : slots) {
      if (slot.cookie < 0) continue;
      ASSERT_EQ(client.await(slot.cookie, 90'000), 0);
    }
  }
  void expect_everything_is_there(NbdClient& client) {
    constexpr std::size_t kBlocksAtATime = 64;
    Bytes wanted(kBlock);
    for (std::uint64_t first = 0; first < kBlocks; first += kBlocksAtATime) {
      const Bytes got = client.read(first * kBlock, kBlocksAtATime * kBlock);
      for (std::uint64_t i = 0; i < kBlocksAtATime; ++i) {
        const std::uint64_t number = written_[first + i];
        if (number == 0)
          wanted.assign(kBlock, std::byte{0});
        else
          fill(wanted, number);
        ASSERT_EQ(std::memcmp(got.data() + i * kBlock, wanted.data(), kBlock), 0)
            << "block " << first + i << ", write " << number;
      }
    }
  }
  void expect_stored() {
    const CommandResult flushed =
        run_command({TLOG_TLOGCTL, "--config", site->config_path(), "flush", "--timeout", "100s"},
                    {.environment = {}, .directory = "", .timeout = Milliseconds(120'000)});
    EXPECT_TRUE(flushed.ok()) << flushed.text();
  }

  SiteOptions options_;
  std::unique_ptr<RedisFleet> fleet_;
  std::vector<std::unique_ptr<FaultProxy>> proxies_;
  std::vector<std::uint64_t> written_;  // per block: the number of its newest write
  std::uint64_t number_ = 0;
};

// The journal takes what the stores do not: far more than the budget is waiting there.
TEST_F(NbdMemory, memory_stays_bounded) {
  const std::uint64_t at_start = serve_over_slow_links(1024);
  auto connection = std::make_unique<NbdClient>(server->uri("vm1"));
  NbdClient& client = *connection;
  // Twice what would be allowed in memory.
  while (backlog_bytes() < 2 * kBudget) {
    ASSERT_LT(number_ * kBlock, 900 * kMiB) << "the stores keep up: nothing is tested";
    ASSERT_NO_FATAL_FAILURE(write_random(client, 50 * kMiB));
  }
  const std::uint64_t peak = stat().resident_peak_bytes;
  std::printf("resident: %llu MiB at the start, at most %llu MiB with %llu MiB not stored\n",
              static_cast<unsigned long long>(at_start / kMiB),
              static_cast<unsigned long long>(peak / kMiB),
              static_cast<unsigned long long>(backlog_bytes() / kMiB));
  EXPECT_LT(peak, kBudget + at_start);
  client.flush();
  expect_everything_is_there(client);
  throttle(0);
  expect_stored();
  EXPECT_LT(stat().resident_peak_bytes, kBudget + at_start) << "while it was stored";
  connection.reset();  // nbdkit waits for its clients
  ASSERT_EQ(server->stop(), 0) << server->log();
}

// The journal is full: writers wait for the stores.
TEST_F(NbdMemory, WritersWaitForSlowStoresAndNoneFails) {
  const std::uint64_t at_start = serve_over_slow_links(32);
  {
    NbdClient client(server->uri("vm1"));
    write_random(client, 40 * kMiB);
    client.flush();
    expect_everything_is_there(client);
    EXPECT_LT(stat().resident_peak_bytes, kBudget + at_start);
  }
  server->kill();
  throttle(0);
  start({"-t", "64"});
  NbdClient client(server->uri("vm1"));
  expect_everything_is_there(client);
  expect_stored();
}

}  // namespace
}  // namespace tlog::testing
