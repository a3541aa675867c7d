// Goal: whatever happens to six real servers and the way to them, as long as no more is lost than
// the log bears, no acknowledged flush is lost and nothing needs a hand (facts: I1, I2, I4).
// Method: a whole engine with `durability: cluster` behind a FaultProxy for each server; one thread
// writes and flushes beside a model, the other does what chance says: kill, stop, pause, empty,
// delete, damage, fill, demote, hang up, and what networks do. Then all is healed: a deep scrub
// must be clean, and what a reader restores from any four servers must be the model. TLOG_SEED
// replays the choice of faults (not their moments), TLOG_NEMESIS_SECONDS is how long.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "tests/support/engine_rig.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/log_samples.h"
#include "tests/support/redis_server.h"
#include "tests/support/temp_directory.h"
#include "tlog/io/workers.h"
#include "tlog/seal/sealer.h"
#include "tlog/store/stores.h"
#include "tlog/walk/log_reader.h"

namespace tlog::testing {
namespace {

constexpr unsigned kServers = 6;
constexpr unsigned kParity = 2;
constexpr std::uint64_t kDiskBytes = 4 * kMiB;
constexpr Milliseconds kPatience(90'000);

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

class Nemesis : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!RedisServer::available()) GTEST_SKIP() << "no redis-server";
    fleet_ = std::make_unique<RedisFleet>(
        kServers, RedisOptions{.arguments = {"--appendonly", "yes", "--appendfsync", "always"}});
    EngineRigOptions options;
    options.directory = directory_.path();
    options.vdisk_size = kDiskBytes;
    options.durability = config::Durability::kCluster;
    options.stall_timeout_ns = 120'000'000'000;
    for (unsigned i = 0; i < kServers; ++i) {
      proxies_.push_back(std::make_unique<FaultProxy>((*fleet_)[i].address()));
      options.servers.push_back(proxies_.back()->address());
    }
    rig_ = std::make_unique<EngineRig>(options);
    rig_->start();
  }

  // ---- The faults ----
  struct Ongoing {
    unsigned server = 0;
    std::chrono::steady_clock::time_point until;
    std::function<void()> end;
  };
  void strike();
  void hold(unsigned server, std::function<void()> end);
  void end_faults(bool all);
  void lose(unsigned server);
  bool may_lose();
  void heal();

  // ---- The checks ----
  bool is_whole() const;
  bool wait_whole() const {
    return wait_until([this] { return is_whole(); }, kPatience);
  }
  flush::ScrubStatus scrub(bool repair);
  void expect_log_is_model(const std::vector<unsigned>& without);
  void apply(const format::Record& record, std::vector<std::byte>& disk) const;

  TempDirectory directory_;
  std::unique_ptr<RedisFleet> fleet_;
  std::vector<std::unique_ptr<FaultProxy>> proxies_;
  std::unique_ptr<EngineRig> rig_;
  ShadowDisk shadow_{kDiskBytes};
  SeededRandom random_{0};
  std::vector<Ongoing> ongoing_;
  unsigned lost_ = 0;  // servers or shards since everything was whole
  std::uint64_t losses_ = 0;
};

void Nemesis::hold(unsigned server, std::function<void()> end) {
  ongoing_.push_back(
      {.server = server,
       .until = std::chrono::steady_clock::now() + Milliseconds(100 + random_.next() % 2500),
       .end = std::move(end)});
}

void Nemesis::end_faults(bool all) {
  const auto now = std::chrono::steady_clock::now();
  std::erase_if(ongoing_, [&](const Ongoing& fault) {
    if (!all && fault.until > now) return false;
    fault.end();
    return true;
  });
}

bool Nemesis::is_whole() const {
  const session::VdiskStatus status = rig_->vdisk().status();
  return status.log.missing_shards == 0 &&
         std::all_of(status.stores.begin(), status.stores.end(),
                     [](const auto& store) { return store.state == store::StoreState::kUp; });
}

// Of what is on all servers, so many copies may go before it has to be whole again.
bool Nemesis::may_lose() {
  if (!is_whole()) return false;
  if (lost_ < kParity) return true;
  if (scrub(true).running || !wait_whole()) return false;
  lost_ = 0;
  return true;
}

void Nemesis::lose(unsigned index) {
  heal();
  wait_until([this] { return is_whole(); }, Milliseconds(10'000));
  if (!may_lose()) return;
  RedisServer& server = (*fleet_)[index];
  ++lost_;
  ++losses_;
  switch (random_.next() % 4) {
    case 0:
      server.command({"FLUSHALL"});
      return;
    case 1:
      server.kill();
      for (const auto& entry : std::filesystem::directory_iterator(server.directory())) {
        std::filesystem::remove_all(entry.path());
      }
      return server.start();
    default:
      // A shard, if it is one that chance finds.
      const std::string key = server.command({"RANDOMKEY"});
      if (key.starts_with("tlog:vm1:1:")) {
        if (random_.next() % 2 == 0) {
          server.command({"SETRANGE", key, std::to_string(100 + random_.next() % 200), "rotten"});
        } else {
          server.command({"SET", key, "short"});
        }
      }
  }
}

void Nemesis::strike() {
  const auto index = static_cast<unsigned>(random_.next() % kServers);
  // One fault at a time for each server; so many servers that writing stops now and then.
  const bool is_taken = std::any_of(ongoing_.begin(), ongoing_.end(),
                                    [&](const Ongoing& fault) { return fault.server == index; });
  if (is_taken || ongoing_.size() > kParity) return;
  RedisServer& server = (*fleet_)[index];
  FaultProxy& proxy = *proxies_[index];
  switch (random_.next() % 14) {
    case 0:
      server.kill();
      return hold(index, [&server] { server.start(); });
    case 1:
      server.pause();
      return hold(index, [&server] { server.resume(); });
    case 2:
      server.command({"CLIENT", "PAUSE", std::to_string(random_.next() % 3000), "WRITE"});
      return;
    case 3:
      server.command({"CONFIG", "SET", "maxmemory", "1mb"});
      return hold(index, [&server] { server.command({"CONFIG", "SET", "maxmemory", "0"}); });
    case 4:
      server.command({"REPLICAOF", "127.0.0.1", "1"});
      return hold(index, [&server] { server.command({"REPLICAOF", "NO", "ONE"}); });
    case 5:
      server.command({"CLIENT", "KILL", "TYPE", "normal"});
      return;
    case 6:
      proxy.set({.black_hole = true});
      return hold(index, [&proxy] { proxy.heal(); });
    case 7:
      proxy.set({.request_delay = Milliseconds(random_.next() % 400),
                 .reply_delay = Milliseconds(random_.next() % 400)});
      return hold(index, [&proxy] { proxy.heal(); });
    case 8:
      proxy.set({.bytes_per_second = 100'000});
      return hold(index, [&proxy] { proxy.heal(); });
    case 9:
      proxy.next(MessageFault::cut_request("SET", random_.next() % 2000));
      return hold(index, [&proxy] { proxy.heal(); });
    case 10:
      proxy.next(MessageFault::replace_reply("SET", "garbage\r\n"));
      return hold(index, [&proxy] { proxy.heal(); });
    case 11:
      return proxy.reset_connections();
    default:
      return lose(index);
  }
}

void Nemesis::heal() {
  end_faults(true);
  for (auto& proxy : proxies_) proxy->heal();
}

flush::ScrubStatus Nemesis::scrub(bool repair) {
  const Status begun = rig_->vdisk().scrub({.deep = true, .repair = repair, .bytes_per_second = 0});
  EXPECT_TRUE(begun) << begun.error().message();
  wait_until([&] { return !rig_->vdisk().status().log.scrub.running; }, kPatience);
  return rig_->vdisk().status().log.scrub;
}

void Nemesis::apply(const format::Record& record, std::vector<std::byte>& disk) const {
  const auto range = std::span(disk).subspan(record.offset, record.size);
  if (record.operation == Operation::kWrite) {
    std::copy(record.data.begin(), record.data.end(), range.begin());
  } else if (record.operation == Operation::kDiscard || record.operation == Operation::kZero) {
    std::fill(range.begin(), range.end(), std::byte{0});
  }
}

void Nemesis::expect_log_is_model(const std::vector<unsigned>& without) {
  auto key = seal::MasterKey::load(io::system_files(), directory_.file("key"));
  ASSERT_TRUE(key) << key.error().message();
  const seal::Sealer sealer(*key, system_random());
  auto loop = io::make_loop({}, null_logger());
  ASSERT_TRUE(loop);
  ASSERT_TRUE((*loop)->start());
  io::Workers workers;
  workers.start(2, "restore");
  std::vector<std::unique_ptr<store::Store>> stores;
  std::vector<store::Store*> borrowed;
  for (unsigned i = 0; i < kServers; ++i) {
    const bool is_gone = std::find(without.begin(), without.end(), i) != without.end();
    const store::RespStoreOptions options{
        .address = is_gone ? "127.0.0.1:1" : (*fleet_)[i].address(),
        .db = {},
        .password = {},
        .vdisk = "vm1"};
    stores.push_back(std::move(store::open_resp_store(options, **loop, null_logger()).value()));
    borrowed.push_back(stores.back().get());
  }
  {
    auto reader = walk::LogReader::open({.vdisk = "vm1",
                                         .stores = borrowed,
                                         .sealer = &sealer,
                                         .workers = &workers,
                                         .logger = &null_logger()});
    EXPECT_TRUE(reader) << reader.error().message();
    std::vector<std::byte> disk(kDiskBytes);
    Status walked;
    if (reader) {
      walked = (*reader)->walk({}, [&](walk::Visited& visited) -> Result<bool> {
        for (const auto& record : visited.opened.aggregation.records) {
          if (record.operation != Operation::kMark) apply(record, disk);
        }
        return true;
      });
    }
    EXPECT_TRUE(walked) << walked.error().message();
    EXPECT_TRUE(disk == shadow_.bytes()) << "what the log restores is not what was written";
  }
  for (auto& store : stores) store::close_and_wait(*store);
  workers.stop();
  (*loop)->stop();
}

TEST_F(Nemesis, no_acknowledged_flush_is_lost_and_all_heals) {
  const std::uint64_t seed = from_environment("TLOG_SEED", system_random().next_u64() % 1'000'000);
  const std::uint64_t seconds = from_environment("TLOG_NEMESIS_SECONDS", 30);
  std::printf("TLOG_SEED=%llu TLOG_NEMESIS_SECONDS=%llu\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(seconds));
  random_.restart(seed);
  std::atomic<bool> ends{false};
  std::uint64_t steps = 0;
  std::uint64_t flushes = 0;
  std::string failed;
  std::thread writer([&] {
    SeededRandom choice(~seed);
    while (!ends && failed.empty()) {
      Status done = shadow_.random_step(rig_->vdisk(), choice.next());
      ++steps;
      if (done && choice.next() % 4 == 0) {
        done = rig_->vdisk().flush();
        ++flushes;
      }
      if (!done) failed = done.error().message();
    }
  });
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  std::uint64_t faults = 0;
  while (std::chrono::steady_clock::now() < end) {
    strike();
    ++faults;
    // A pause between faults, not a wait for anything.
    std::this_thread::sleep_for(Milliseconds(random_.next() % 400));
    end_faults(false);
  }
  heal();
  ends = true;
  writer.join();
  std::printf("%llu steps, %llu flushes, %llu faults, %llu losses\n",
              static_cast<unsigned long long>(steps), static_cast<unsigned long long>(flushes),
              static_cast<unsigned long long>(faults), static_cast<unsigned long long>(losses_));
  ASSERT_EQ(failed, "");
  EXPECT_GT(flushes, seconds / 2);
  EXPECT_GT(losses_, 0U);

  const Status flushed = rig_->vdisk().flush();
  ASSERT_TRUE(flushed) << flushed.error().message();
  ASSERT_TRUE(wait_whole()) << "missing " << rig_->vdisk().status().log.missing_shards;
  EXPECT_FALSE(scrub(true).running);
  ASSERT_TRUE(wait_whole());
  const flush::ScrubStatus clean = scrub(false);
  EXPECT_FALSE(clean.running);
  EXPECT_EQ(clean.missing + clean.wrong + clean.unreachable, 0U) << clean.first_finding;
  EXPECT_EQ(shadow_.difference(rig_->vdisk()), "");
  rig_->stop();

  const auto gone = static_cast<unsigned>(random_.next() % kServers);
  expect_log_is_model({});
  expect_log_is_model({gone, (gone + 1 + static_cast<unsigned>(random_.next() % 5)) % kServers});
  rig_->start();
  EXPECT_EQ(shadow_.difference(rig_->vdisk()), "");
}

}  // namespace
}  // namespace tlog::testing
