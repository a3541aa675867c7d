// Goal: whatever happens to a vdisk's two clusters, to the servers of its log, to the ways to them
// and to the process that serves it, and whoever goes over to whom meanwhile: no write is lost that
// was answered, no client sees an error, and when all is healed both clusters become equal.
// Method: an engine with a stamped writer in a process of its own, nine redis-servers with a
// FaultProxy before each, and chance: servers and whole clusters are killed, stopped, emptied and
// cut off, of the log never more than it bears; failovers, failbacks and resyncs are asked for, and
// come by themselves; the engine is killed and started. Each round ends healed and compared.
// TLOG_SEED replays the choice of faults (not their moments), TLOG_NEMESIS_SECONDS is how long.
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "tests/fault/standby/engine_process.h"
#include "tests/fault/standby/proxied_clusters.h"
#include "tests/support/log_samples.h"

namespace tlog::standby {
namespace {

using tlog::testing::FaultProxy;
using tlog::testing::MessageFault;
using tlog::testing::RedisServer;
using tlog::testing::SeededRandom;
using tlog::testing::StampedWriter;
using Moment = std::chrono::steady_clock::time_point;

constexpr Milliseconds kPatience(60'000);
constexpr std::uint64_t kServers = 3;  // of a cluster
constexpr std::uint64_t kBlocks = 256;
constexpr auto kRound = std::chrono::seconds(6);

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

class StandbyNemesis : public ProxiedClusters {
 protected:
  struct Cluster {
    RedisFleet* fleet = nullptr;
    Proxies* proxies = nullptr;
  };
  struct Ongoing {
    int cluster = 0;  // 0: the log
    Moment until;
    std::function<void()> end;
  };
  struct Counts {
    unsigned faults = 0, asked = 0, agreed = 0, kills = 0, losses = 0, rounds = 0;
  };

  // ---- The faults ----
  void strike();
  void strike_server(int which, std::uint64_t index);
  void strike_cluster(int which);
  void empty(int which);
  void ask_something();
  void hold(int cluster, std::function<void()> end);
  void end_faults(bool all, int cluster = -1);
  bool is_struck(int cluster) const;
  std::uint64_t chance(std::uint64_t of) { return random_.next() % of; }
  // For a failed round.
  void note(const std::string& what) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    story_ +=
        std::to_string(std::chrono::duration_cast<Milliseconds>(now).count()) + " " + what + "\n";
  }

  // ---- The engine ----
  void begin_engine();
  void take_answer(Milliseconds timeout);
  std::string ask(const std::string& question) { return engine_->call(question, kPatience); }
  bool log_is_whole();

  // ---- A round ----
  void run_round(std::uint64_t seed);
  void catch_up();
  void compare();
  void tell_sides();

  Cluster cluster(int which) {
    if (which == 0) return {log_.get(), to_log_.get()};
    return which == 1 ? Cluster{primary_.get(), to_primary_.get()}
                      : Cluster{standby_.get(), to_standby_.get()};
  }

  SeededRandom random_{0};
  std::vector<Ongoing> ongoing_;
  StampedWriter writer_{kBlocks, 4711};
  std::unique_ptr<EngineProcess> engine_;
  std::uint64_t failover_after_ns_ = 0;
  bool is_asked_ = false;  // and not answered yet
  Counts counts_;
  std::string story_;
};

void StandbyNemesis::hold(int cluster, std::function<void()> end) {
  const auto until = std::chrono::steady_clock::now() + Milliseconds(100 + chance(2500));
  ongoing_.push_back({.cluster = cluster, .until = until, .end = std::move(end)});
}

void StandbyNemesis::end_faults(bool all, int cluster) {
  const auto now = std::chrono::steady_clock::now();
  std::erase_if(ongoing_, [&](const Ongoing& fault) {
    const bool is_meant = all ? cluster < 0 || fault.cluster == cluster : fault.until <= now;
    if (is_meant) {
      fault.end();
      note("one of cluster " + std::to_string(fault.cluster) + " ends");
    }
    return is_meant;
  });
}

bool StandbyNemesis::is_struck(int cluster) const {
  return std::any_of(ongoing_.begin(), ongoing_.end(),
                     [&](const Ongoing& fault) { return fault.cluster == cluster; });
}

void StandbyNemesis::strike_server(int which, std::uint64_t index) {
  RedisServer& server = (*cluster(which).fleet)[index];
  FaultProxy& proxy = (*cluster(which).proxies)[index];
  const auto kind = chance(6);
  note("fault " + std::to_string(kind) + " of server " + std::to_string(index) + " of cluster " +
       std::to_string(which));
  switch (kind) {
    case 0:
      server.kill();
      return hold(which, [&server] { server.start(); });
    case 1:
      server.pause();
      return hold(which, [&server] { server.resume(); });
    case 2:
      proxy.set({.black_hole = true});
      return hold(which, [&proxy] { proxy.heal(); });
    case 3:
      proxy.set(
          {.request_delay = Milliseconds(chance(300)), .reply_delay = Milliseconds(chance(300))});
      return hold(which, [&proxy] { proxy.heal(); });
    case 4:
      proxy.next(MessageFault::cut_request(which == 0 ? "SET" : "HMSET", chance(6000)));
      return hold(which, [&proxy] { proxy.heal(); });
    default:
      return proxy.reset_connections();
  }
}

void StandbyNemesis::strike_cluster(int which) {
  RedisFleet& fleet = *cluster(which).fleet;
  Proxies& proxies = *cluster(which).proxies;
  const auto kind = chance(3);
  note("fault " + std::to_string(kind) + " of cluster " + std::to_string(which));
  switch (kind) {
    case 0:
      kill_all(fleet);
      return hold(which, [&fleet] { start_all(fleet); });
    case 1:
      pause_all(fleet);
      return hold(which, [&fleet] { resume_all(fleet); });
    default:
      proxies.set({.black_hole = true});
      return hold(which, [&proxies] { proxies.heal(); });
  }
}

bool StandbyNemesis::log_is_whole() {
  return !is_asked_ &&
         engine_->call("status", kPatience).find(" missing=0 away=0 ") != std::string::npos;
}

// Of the log one at a time, and only while it has all the others; of the blocks one, or all.
void StandbyNemesis::empty(int which) {
  RedisFleet& fleet = *cluster(which).fleet;
  if (which == 0) {
    if (is_struck(0) || !engine_->is_up(Milliseconds(0)) || !log_is_whole()) return;
    note("a server of the log is emptied");
    fleet[chance(kServers)].command({"FLUSHALL"});
    ++counts_.losses;
    // Until it is whole again nothing else happens to the log.
    const bool is_whole = tlog::testing::wait_until([&] { return log_is_whole(); }, kPatience);
    ASSERT_TRUE(is_whole) << engine_->log();
    return;
  }
  ++counts_.losses;
  const bool all = chance(3) == 0;
  const std::uint64_t one = chance(kServers);
  note((all ? "all" : std::to_string(one)) + " of cluster " + std::to_string(which) + " emptied");
  for (std::uint64_t i = 0; i < kServers; ++i) {
    if (all || i == one) fleet[i].command({"FLUSHALL"});
  }
}

void StandbyNemesis::ask_something() {
  if (is_asked_) return;
  constexpr const char* kQuestions[] = {"failover", "failback", "failback", "resync"};
  const char* const question = kQuestions[chance(4)];
  note(question);
  engine_->ask(question);
  is_asked_ = true;
  ++counts_.asked;
}

void StandbyNemesis::take_answer(Milliseconds timeout) {
  if (!is_asked_) return;
  const auto said = engine_->answer(timeout);
  if (!said) return;
  is_asked_ = false;
  note("answered " + *said);
  if (said->starts_with("+")) ++counts_.agreed;
}

void StandbyNemesis::strike() {
  ++counts_.faults;
  const auto kind = chance(20);
  const int which = 1 + static_cast<int>(chance(2));
  if (kind < 4) return ask_something();
  if (kind < 6) {
    engine_->kill();
    note("the engine is killed");
    ++counts_.kills;
    is_asked_ = false;
    return begin_engine();
  }
  if (kind < 9) {
    if (!is_struck(0)) strike_server(0, chance(kServers));
    return;
  }
  if (kind == 9) return empty(0);
  if (is_struck(which)) return;
  if (kind < 11) return empty(which);
  if (kind < 14) return strike_cluster(which);
  strike_server(which, chance(kServers));
}

// Whatever has become of the clusters; of the log's servers all are there for an opening.
void StandbyNemesis::begin_engine() {
  end_faults(true, 0);
  const auto begin = [&] {
    engine_ = std::make_unique<EngineProcess>(
        EngineProcess::Options{.directory = directory_.path(),
                               .servers = proxied(),
                               .failover_after_ns = failover_after_ns_,
                               .stall_timeout_ns = 120 * kSecondNs,
                               .die_at = {},
                               .blocks = kBlocks,
                               .seed = 4711},
        writer_);
  };
  begin();
  if (engine_->is_up(Milliseconds(15'000))) return;
  end_faults(true);
  if (!engine_->running()) begin();
  ASSERT_TRUE(engine_->is_up(kPatience)) << engine_->log();
}

void StandbyNemesis::catch_up() {
  ASSERT_EQ(ask("flush"), "+") << engine_->log();
  std::string said;
  // It may be going over by itself just now, or have gone.
  const bool is_synced = tlog::testing::wait_until(
      [&] {
        (void)ask("resync");
        said = ask("sync");
        return said == "+";
      },
      kPatience);
  ASSERT_TRUE(is_synced) << said << "\n" << ask("status") << "\n" << engine_->log();
}

// Where the two clusters differ, and how far each server says it is.
void StandbyNemesis::tell_sides() {
  const std::string key = "blocks:vm1:" + vdisk().status().uuid.text();
  for (int which = 1; which <= 2; ++which) {
    for (std::uint64_t i = 0; i < kServers; ++i) {
      note("cluster " + std::to_string(which) + " server " + std::to_string(i) + ": " +
           (*cluster(which).fleet)[i].command({"HMGET", key, "applied", "applying", "chain"}));
    }
  }
  const auto primary = blocks_on(*primary_);
  const auto standby = blocks_on(*standby_);
  for (std::size_t i = 0; i < primary.size(); ++i) {
    if (primary[i] == standby[i]) continue;
    std::uint64_t numbers[2] = {};
    std::memcpy(&numbers[0], primary[i].data(), sizeof numbers[0]);
    std::memcpy(&numbers[1], standby[i].data(), sizeof numbers[1]);
    note("block " + std::to_string(i) + ": the primary has operation " +
         std::to_string(numbers[0]) + ", the standby " + std::to_string(numbers[1]));
  }
}

void StandbyNemesis::compare() {
  EngineRigOptions options = proxied_options();
  options.stall_timeout_ns = 60 * kSecondNs;
  start(options);
  ASSERT_TRUE(wait_for([&] {
    std::vector<std::byte> disk(kDiskSize);
    return vdisk().read(0, disk).has_value();
  })) << "it cannot be read";
  const std::string wrong = writer_.check(vdisk(), true);
  if (!wrong.empty()) tell_sides();
  ASSERT_EQ(wrong, "") << "active is " << standby_status().active;
  const Status written = writer_.run(vdisk(), 20);
  ASSERT_TRUE(written) << written.error().message();
  ASSERT_TRUE(vdisk().flush());
  ASSERT_TRUE(in_sync()) << standby_status().reason;
  ASSERT_TRUE(settles());
  EXPECT_TRUE(sides_are_equal());
  rig_->stop();
}

void StandbyNemesis::run_round(std::uint64_t seed) {
  random_.restart(seed);
  story_.clear();
  failover_after_ns_ = chance(3) == 0 ? 0 : kSecondNs / 2;
  ASSERT_NO_FATAL_FAILURE(begin_engine());
  const auto end = std::chrono::steady_clock::now() + kRound;
  while (std::chrono::steady_clock::now() < end) {
    strike();
    ASSERT_FALSE(HasFatalFailure());
    // A pause between faults, not a wait for anything.
    std::this_thread::sleep_for(Milliseconds(chance(300)));
    end_faults(false);
    take_answer(Milliseconds(0));
    ASSERT_TRUE(engine_->running()) << "it has died by itself:\n" << engine_->log();
  }
  if (chance(3) == 0) {  // in the middle of everything
    engine_->kill();
    is_asked_ = false;
    end_faults(true);
  } else {
    end_faults(true);
    take_answer(kPatience);
    ASSERT_FALSE(is_asked_) << "no answer in time:\n" << engine_->log();
    ASSERT_NO_FATAL_FAILURE(catch_up());
    EXPECT_EQ(ask("stop"), "+");
    EXPECT_EQ(engine_->ends(kPatience), 0) << engine_->log();
  }
  engine_.reset();
  note("compared");
  compare();
}

TEST_F(StandbyNemesis, nothing_is_lost_and_both_sides_become_equal) {
  const std::uint64_t seed = from_environment("TLOG_SEED", system_random().next_u64() % 1'000'000);
  const std::uint64_t seconds = from_environment("TLOG_NEMESIS_SECONDS", 40);
  std::printf("TLOG_SEED=%llu TLOG_NEMESIS_SECONDS=%llu\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(seconds));
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  do {
    SCOPED_TRACE("round " + std::to_string(counts_.rounds) +
                 " of TLOG_SEED=" + std::to_string(seed));
    run_round(seed + counts_.rounds);
    if (HasFailure()) {
      std::printf("%s\n%s\n", story_.c_str(),
                  tlog::testing::read_text(directory_.file("engine.log")).c_str());
      break;
    }
    ++counts_.rounds;
  } while (std::chrono::steady_clock::now() < end);
  std::printf("%u rounds, %u faults, %u losses, %u kills of the engine, %u of %u asked agreed to\n",
              counts_.rounds, counts_.faults, counts_.losses, counts_.kills, counts_.agreed,
              counts_.asked);
  end_faults(true);
  EXPECT_GT(writer_.answered(), 100U);
}

}  // namespace
}  // namespace tlog::standby
