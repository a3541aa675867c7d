// Goal: with fewer servers than it needs a vdisk slows down, waits, and fails in order; nothing
// that was acknowledged is lost, and it goes on by itself when they return, in the same process,
// without being opened again. Method: the whole engine on six real servers, and the faults of the
// table of outages one after the other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <future>
#include <thread>

#include "tests/fault/engine_on_servers.h"
#include "tlog/format/metadata.h"
#include "tlog/walk/log_reader.h"

namespace tlog::session {
namespace {

using store::StoreState;
using ::testing::HasSubstr;
using tlog::testing::EngineRig;
using tlog::testing::EngineRigOptions;

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kPart = 64 * kKiB;  // one record: it is written as a whole or not at all

class EngineQuorum : public EngineOnServers {
 protected:
  EngineRigOptions journal_options(std::uint64_t stall_timeout_ns) {
    EngineRigOptions journal = options();
    journal.durability = config::Durability::kJournal;
    journal.journal_size = 8 * kMiB;
    journal.arena_size = 2 * kMiB;
    journal.memory_budget = 32 * kMiB;
    journal.stall_timeout_ns = stall_timeout_ns;
    return journal;
  }
  // The next part of the disk, round and round; the shadow has what was answered.
  Status write_part(EngineRig& rig) {
    const std::uint64_t offset = next_part_++ * kPart % shadow_.bytes().size();
    auto part = std::span(shadow_.bytes()).subspan(offset, kPart);
    std::vector<std::byte> data(kPart, static_cast<std::byte>(next_part_ % 251));
    TLOG_TRY(rig.vdisk().write(offset, data, false));
    std::copy(data.begin(), data.end(), part.begin());
    return {};
  }
  // As clients do, who are no faster than the disk.
  Status write_and_flush(EngineRig& rig) {
    TLOG_TRY(write_part(rig));
    return rig.vdisk().flush();
  }
  Status write_until_it_fails(EngineRig& rig) {
    for (;;) TLOG_TRY(write_and_flush(rig));
  }

  std::uint64_t next_part_ = 0;
};

TEST_F(EngineQuorum, one_of_six_killed_before_flush) {
  EngineRig rig(options());
  rig.start();
  ASSERT_TRUE(steps(rig, 20));
  server(2).kill();
  ASSERT_TRUE(steps(rig, 20)) << "five are enough";
  EXPECT_TRUE(wait_for([&] { return rig.vdisk().status().log.missing_shards > 0; }));
  // The hint outlives the process, with the server still away.
  rig.stop(0);
  rig.start();
  ASSERT_TRUE(wait_for([&] { return rig.vdisk().status().log.missing_shards > 0; }));
  server(2).start();
  ASSERT_TRUE(is_whole(rig));
  for (std::size_t gone : {0, 1}) server(gone).kill();
  rig.stop(0);
  // What was hinted carries: the end of the log is read without two others.
  EngineRigOptions four = options();
  four.write_quorum = 4;
  EngineRig again(four);
  again.start();
  EXPECT_EQ(shadow_.difference(again.vdisk()), "");
}

// With durability: journal a flush needs no store; the journal takes what it can.
TEST_F(EngineQuorum, two_of_six_down_slows_stalls_and_resumes) {
  EngineRigOptions large_arena = journal_options(60 * kSecond);
  large_arena.journal_size = 64 * kMiB;
  large_arena.memory_budget = 256 * kMiB;
  large_arena.arena_size = large_arena.journal_size;  // only the journal makes anybody wait
  EngineRig rig(large_arena);
  rig.start();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(write_part(rig));
  ASSERT_TRUE(rig.vdisk().flush());
  EXPECT_EQ(rig.vdisk().status().slowed, 0U);
  server(0).kill();
  server(1).kill();
  std::atomic<bool> enough{false};
  auto writing = std::async(std::launch::async, [&]() -> Status {
    while (!enough) TLOG_TRY(write_and_flush(rig));
    return {};
  });
  ASSERT_TRUE(wait_for([&] {
    const VdiskStatus status = rig.vdisk().status();
    return status.slowed > 0 && !status.log.waiting_for.empty();
  }));
  const VdiskStatus slowed = rig.vdisk().status();
  EXPECT_LT(slowed.journal_bytes_used, slowed.journal_bytes_total / 100 * 99)
      << "slow comes before the wall";
  EXPECT_THAT(rig.vdisk().status().reason, HasSubstr("4 of 6 stores reachable, 5 needed"));
  EXPECT_TRUE(rig.vdisk().flush());
  server(0).start();
  ASSERT_TRUE(wait_for([&] { return rig.vdisk().status().log.waiting_for.empty(); }));
  const std::uint64_t written = rig.vdisk().status().writes;
  ASSERT_TRUE(wait_for([&] { return rig.vdisk().status().writes > written + 400; }));
  enough = true;
  Status wrote = writing.get();
  EXPECT_TRUE(wrote) << wrote.error().message();
  server(1).start();
  ASSERT_TRUE(is_whole(rig));
  EXPECT_EQ(shadow_.difference(rig.vdisk()), "");
}

TEST_F(EngineQuorum, none_returns_fails_after_stall_timeout_and_resumes_later) {
  EngineRigOptions short_stall = journal_options(kSecond / 2);
  short_stall.journal_size = 64 * kMiB;  // filling it takes long enough to see that nothing moves
  short_stall.memory_budget = 64 * kMiB;
  EngineRig rig(short_stall);
  rig.start();
  ASSERT_TRUE(write_part(rig));
  for (std::size_t i : {0, 1, 2}) server(i).kill();
  for (int life = 0; life < 2; ++life) {
    Status failed = write_until_it_fails(rig);
    EXPECT_EQ(failed.error().code(), Code::kTimeout);
    EXPECT_THAT(failed.error().message(), HasSubstr("3 of 6 stores reachable, 5 needed"));
    const VdiskStatus status = rig.vdisk().status();
    EXPECT_EQ(status.state, State::kServing);
    EXPECT_GT(status.slowed, 0U);
    EXPECT_GT(status.stalls, 0U);
    EXPECT_TRUE(rig.vdisk().flush()) << "what was answered is in the journal";
    EXPECT_EQ(shadow_.difference(rig.vdisk()), "") << "reads go on";
    for (std::size_t i : {0, 1, 2}) server(i).start();
    ASSERT_TRUE(wait_for([&] { return write_part(rig).has_value(); })) << "it is not opened again";
    ASSERT_TRUE(is_whole(rig));
    for (std::size_t i : {0, 1, 2}) server(i).kill();
  }
  EXPECT_EQ(shadow_.difference(rig.vdisk()), "");
}

TEST_F(EngineQuorum, a_flush_to_the_cluster_fails_after_stall_timeout_and_later_ones_succeed) {
  EngineRigOptions short_stall = options();
  short_stall.stall_timeout_ns = kSecond / 2;
  EngineRig rig(short_stall);
  rig.start();
  ASSERT_TRUE(steps(rig, 10));
  server(4).kill();
  server(5).kill();
  ASSERT_TRUE(shadow_.random_step(rig.vdisk(), ++seed_));
  // The first one may give up before the lanes have noticed.
  ASSERT_TRUE(wait_for([&] {
    Status flushed = rig.vdisk().flush();
    EXPECT_FALSE(flushed);
    return !flushed &&
           flushed.error().message().find("4 of 6 stores reachable, 5 needed") != std::string::npos;
  }));
  EXPECT_EQ(rig.vdisk().status().state, State::kServing);
  server(4).start();
  ASSERT_TRUE(wait_for([&] { return rig.vdisk().flush().has_value(); }));
  // What the failed flushes had been about is stored now, also for another host.
  const VdiskStatus status = rig.vdisk().status();
  EXPECT_EQ(status.watermarks.stored, status.watermarks.appended);
  EXPECT_EQ(shadow_.difference(rig.vdisk()), "");
}

TEST_F(EngineQuorum, no_spin_when_stores_are_gone) {
  EngineRig rig(journal_options(60 * kSecond));
  rig.start();
  for (std::size_t i = 0; i < 6; ++i) server(i).kill();
  std::atomic<bool> enough{false};
  std::vector<std::future<Status>> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.push_back(std::async(std::launch::async, [&, writer]() -> Status {
      std::vector<std::byte> data(kPart, static_cast<std::byte>(writer + 1));
      while (!enough) TLOG_TRY(rig.vdisk().write(writer * kPart, data, false));
      return {};
    }));
  }
  ASSERT_TRUE(wait_for([&] { return rig.vdisk().status().stalls > 0; }));
  auto used_ns = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return std::uint64_t(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * kSecond +
           std::uint64_t(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1'000;
  };
  const std::uint64_t before_ns = used_ns();
  const std::uint64_t end_ns = system_clock().monotonic_ns() + kSecond;
  ASSERT_TRUE(wait_for([&] { return system_clock().monotonic_ns() > end_ns; }));
  // Of one core, for a second; the ancestor used 85 %.
  EXPECT_LT(used_ns() - before_ns, kSecond / 3);
  enough = true;
  for (std::size_t i = 0; i < 6; ++i) server(i).start();
  for (auto& writer : writers) {
    Status wrote = writer.get();
    EXPECT_TRUE(wrote) << wrote.error().message();
  }
}

TEST_F(EngineQuorum, sigstopped_server_does_not_delay) {
  EngineRig rig(options());
  rig.start();
  ASSERT_TRUE(steps(rig, 10));
  server(3).pause();
  // It accepts connections and answers nothing. That each flush ends at all, with the server still
  // stopped, is what counts here.
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(steps(rig, 2)) << i;
  EXPECT_GT(rig.vdisk().status().log.missing_shards, 0U);
  server(3).resume();
  ASSERT_TRUE(is_whole(rig));
  EXPECT_EQ(shadow_.difference(rig.vdisk()), "");
}

struct Trouble {
  const char* name;
  std::vector<std::string> harm;
  std::vector<std::string> heal;
  StoreState state;
};
class EngineTrouble : public EngineQuorum, public ::testing::WithParamInterface<Trouble> {};

// One server that does not take writes, for a reason of its own: flushes go on, its state says why,
// and when the reason is gone it gets what it missed.
TEST_P(EngineTrouble, is_named_and_drains) {
  EngineRig rig(options());
  rig.start();
  ASSERT_TRUE(steps(rig, 10));
  EXPECT_EQ(server(1).command(GetParam().harm), "OK");
  ASSERT_TRUE(steps(rig, 20));
  EXPECT_TRUE(wait_for([&] {
    (void)shadow_.random_step(rig.vdisk(), ++seed_);
    (void)rig.vdisk().flush();
    return rig.vdisk().status().stores[1].state == GetParam().state;
  })) << rig.vdisk().status().stores[1].condition;
  EXPECT_GT(rig.vdisk().status().log.missing_shards, 0U);
  EXPECT_EQ(server(1).command(GetParam().heal), "OK");
  ASSERT_TRUE(is_whole(rig)) << rig.vdisk().status().stores[1].condition;
  EXPECT_EQ(shadow_.difference(rig.vdisk()), "");
}

INSTANTIATE_TEST_SUITE_P(
    Of, EngineTrouble,
    ::testing::Values(Trouble{.name = "maxmemory_is_full",
                              .harm = {"CONFIG", "SET", "maxmemory", "1mb"},
                              .heal = {"CONFIG", "SET", "maxmemory", "0"},
                              .state = StoreState::kFull},
                      Trouble{.name = "replicaof",
                              .harm = {"REPLICAOF", "127.0.0.1", "1"},
                              .heal = {"REPLICAOF", "NO", "ONE"},
                              .state = StoreState::kReadOnly},
                      Trouble{.name = "min_replicas",
                              .harm = {"CONFIG", "SET", "min-replicas-to-write", "2"},
                              .heal = {"CONFIG", "SET", "min-replicas-to-write", "0"},
                              .state = StoreState::kBusy},
                      Trouble{.name = "client_pause_write",
                              .harm = {"CLIENT", "PAUSE", "60000", "WRITE"},
                              .heal = {"CLIENT", "UNPAUSE"},
                              .state = StoreState::kDown}),
    [](const auto& each) { return std::string(each.param.name); });

// The bytes that two servers have missed are read at the next opening, which the stores alone would
// not allow.
TEST_F(EngineQuorum, hints_survive_a_restart_and_complete_the_log) {
  EngineRigOptions four = options();
  four.write_quorum = 4;
  four.memory_budget = 32 * kMiB;
  EngineRig rig(four);
  rig.start();
  ASSERT_TRUE(steps(rig, 5));
  ASSERT_TRUE(is_whole(rig));
  server(4).kill();
  server(5).kill();
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(write_part(rig));
  ASSERT_TRUE(rig.vdisk().flush());
  EXPECT_GT(rig.vdisk().status().log.hinted_bytes, kMiB) << "the memory is too small for them";
  rig.stop();
  server(4).start();
  server(5).start();
  server(0).kill();
  rig.start();
  ASSERT_TRUE(wait_for([&] { return rig.vdisk().status().log.hinted_bytes == 0; }));
  EXPECT_EQ(shadow_.difference(rig.vdisk()), "");
  server(1).kill();
  rig.stop();
  rig.start();
  EXPECT_EQ(shadow_.difference(rig.vdisk()), "") << "what was hinted carries";
}

// Repair on read: what the opening meets at the end of the log.
TEST_F(EngineQuorum, wrong_and_missing_shards_met_at_the_opening_are_mended) {
  tlog::testing::KeepingLogger logger;
  EngineRig rig(options(), io::system_files(), logger);
  rig.start();
  ASSERT_TRUE(steps(rig, 30));
  ASSERT_TRUE(is_whole(rig));
  const AggregationNumber newest = rig.vdisk().status().log.committed;
  const Epoch epoch = rig.vdisk().status().epoch;
  rig.stop();
  // Two data shards, which are asked for first.
  const std::size_t rotten = walk::store_of(newest, 0, 6);
  const std::size_t absent = walk::store_of(newest, 2, 6);
  const std::string key = format::shard_key("vm1", epoch, newest);
  const std::string rotten_before = server(rotten).command({"GET", key});
  const std::string absent_before = server(absent).command({"GET", key});
  ASSERT_GT(rotten_before.size(), 200U);
  const char other = static_cast<char>(rotten_before[150] ^ 1);
  server(rotten).command({"SETRANGE", key, "150", std::string(1, other)});
  server(absent).command({"DEL", key});
  rig.start();
  EXPECT_TRUE(wait_for([&] {
    return server(rotten).command({"GET", key}) == rotten_before &&
           server(absent).command({"GET", key}) == absent_before;
  }));
  EXPECT_TRUE(logger.has("event=shard_bad"));
  EXPECT_EQ(shadow_.difference(rig.vdisk()), "");
}

// Repair on read: what the refilling of a block server meets, in the middle of the log.
TEST_F(EngineQuorum, wrong_and_missing_shards_met_while_refilling_are_mended) {
  tlog::testing::RedisFleet blocks(2);
  EngineRigOptions on_servers = options();
  on_servers.block_servers = blocks.addresses();
  on_servers.flush_time_ns = kSecond / 5;
  EngineRig rig(on_servers);
  rig.start();
  ASSERT_TRUE(steps(rig, 60));
  ASSERT_TRUE(is_whole(rig));
  ASSERT_TRUE(wait_for([&] { return rig.vdisk().status().journal_bytes_used == 0; }));
  const std::string key = format::shard_key("vm1", rig.vdisk().status().epoch, 1);
  const std::size_t absent = walk::store_of(1, 1, 6);
  const std::string before = server(absent).command({"GET", key});
  server(absent).command({"DEL", key});
  blocks[0].command({"FLUSHALL"});
  EXPECT_TRUE(wait_for([&] {
    (void)shadow_.difference(rig.vdisk());  // a read notices that the blocks are gone
    return server(absent).command({"GET", key}) == before;
  }));
  EXPECT_TRUE(wait_for([&] { return shadow_.difference(rig.vdisk()).empty(); }));
}

}  // namespace
}  // namespace tlog::session
