// Goal: of two hosts that may serve a vdisk one does, and when it cannot any more the other goes on
// by itself with everything that was flushed; never two, and never one that gives up a flush, or a
// disk that nobody else wants. Method: two real nbdkits with configurations and directories of
// their own, one key, one real etcd, six real redis-servers.
#include <gmock/gmock.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/nbd/controlled.h"
#include "tests/support/etcd_server.h"
#include "tests/support/redis_server.h"

namespace tlog::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

// Far above what a takeover needs, for machines that are busy with other things.
constexpr Milliseconds kSoon{90'000};
constexpr std::uint64_t kBlock = 4096;

class Host {
 public:
  Host(const SiteOptions& options, std::string name) : site(options), name_(std::move(name)) {}

  Status start() {
    TLOG_ASSIGN(server, NbdkitServer::start(site.nbdkit()));
    return {};
  }
  std::string status(bool json = false) const {
    std::vector<std::string> words = {TLOG_TLOGCTL, "--config", site.config_path(), "status"};
    if (json) words.insert(words.end(), {"--json", "vm1"});
    return run_command(words).output;
  }
  bool says(const std::string& text) const {
    return wait_until([&] { return status().find(text) != std::string::npos; }, kSoon);
  }
  bool is_lease_state(const std::string& state) const {
    return status(true).find("\"lease\": \"" + state + "\"") != std::string::npos;
  }
  bool has_lease_state(const std::string& state) const {
    return wait_until([&] { return is_lease_state(state); }, kSoon);
  }
  std::uint64_t epoch() const {
    const std::string text = status(true);
    const std::size_t at = text.find("\"epoch\":");
    return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + 8, nullptr, 10);
  }
  // Why a client is refused; "" when it is not.
  std::string refusal() const {
    try {
      NbdClient client(server->uri("vm1"));
      return "";
    } catch (const std::runtime_error& error) {
      return server->log();
    }
  }
  const std::string& name() const { return name_; }

  Site site;
  std::unique_ptr<NbdkitServer> server;

 private:
  const std::string name_;
};

class Coordination : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!RedisServer::available() || !EtcdServer::available()) {
      GTEST_SKIP() << "no redis-server or no etcd";
    }
    fleet = std::make_unique<RedisFleet>(6);
    etcd = std::make_unique<EtcdServer>();
    make_hosts("cluster", "");
  }
  void TearDown() override {
    if (!HasFailure()) return;
    for (const auto& host : {&a, &b}) {
      if (*host && (*host)->server)
        ADD_FAILURE() << (*host)->name() << ":\n" << (*host)->server->log();
    }
  }
  void make_hosts(const std::string& durability, const std::string& more) {
    a = make_host("host-a", durability, more);
    b = make_host("host-b", durability, more);
    std::filesystem::copy_file(a->site.file("tlogdisk.key"), b->site.file("tlogdisk.key"),
                               std::filesystem::copy_options::overwrite_existing);
  }
  SiteOptions options(const std::string& name, const std::string& durability,
                      const std::string& more) const {
    SiteOptions site;
    site.clusters = "  six: {servers: [";
    for (const std::string& address : fleet->addresses()) {
      site.clusters += "{address: \"" + address + "\"}, ";
    }
    site.clusters += "]}\n";
    site.tlog = "cluster: six, flushTime: 200ms, durability: " + durability;
    site.more = "logLevel: info\ncoordination: {etcd: [\"http://" + etcd->address() +
                "\"], leaseTtl: 4s, hostName: " + name + more + "}\n";
    return site;
  }
  std::unique_ptr<Host> make_host(const std::string& name, const std::string& durability,
                                  const std::string& more) const {
    return std::make_unique<Host>(options(name, durability, more), name);
  }
  // A serves and has some blocks, B stands by.
  void start_both() {
    ASSERT_TRUE(a->start());
    write(*a, 0, 100);
    ASSERT_TRUE(a->has_lease_state("held"));
    ASSERT_TRUE(key_says("\"host\":\"host-a\",\"epoch\":1"));
    ASSERT_TRUE(b->start());
    ASSERT_TRUE(b->has_lease_state("standby"));
  }
  std::string key() const { return etcd->ctl({"get", "tlogdisk/writers/vm1"}); }
  bool key_says(const std::string& text) const {
    return wait_until([&] { return key().find(text) != std::string::npos; }, kSoon);
  }
  // When they agree on it; nobody: they do not.
  Host* the_one_that_serves() const {
    Host* winner = nullptr;
    const bool agreed = wait_until(
        [&] {
          const bool is_a = key().find("\"host\":\"host-a\"") != std::string::npos;
          winner = is_a ? a.get() : b.get();
          const Host& other = is_a ? *b : *a;
          return winner->is_lease_state("held") && other.is_lease_state("standby");
        },
        kSoon);
    return agreed ? winner : nullptr;
  }

  static void write(const Host& host, std::uint64_t from, std::uint64_t to,
                    std::uint64_t round = 0) {
    NbdClient client(host.server->uri("vm1"));
    for (std::uint64_t i = from; i < to; ++i) client.write(i * kBlock, pattern(kBlock, i + round));
    client.flush();
  }
  static void expect_blocks(const Host& host, std::uint64_t from, std::uint64_t to,
                            std::uint64_t round = 0) {
    NbdClient client(host.server->uri("vm1"));
    for (std::uint64_t i = from; i < to; ++i) {
      ASSERT_EQ(client.read(i * kBlock, kBlock), pattern(kBlock, i + round)) << i;
    }
  }
  // The whole chain, from the stores.
  void expect_good_log(const Host& host) const {
    const CommandResult verified =
        run_command({TLOG_TLOGPLAY, "verify", "--config", host.site.config_path(), "vm1"});
    EXPECT_TRUE(verified.ok()) << verified.text();
  }
  std::string lease_of_key() const {
    const std::string json = etcd->ctl({"get", "tlogdisk/writers/vm1", "-w", "json"});
    const std::string key = "\"lease\":";
    const std::size_t at = json.find(key);
    if (at == std::string::npos) return "";
    return fmt_hex(std::strtoull(json.c_str() + at + key.size(), nullptr, 10));
  }
  static std::string fmt_hex(std::uint64_t number) {
    char text[32];
    std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(number));
    return text;
  }

  std::unique_ptr<RedisFleet> fleet;
  std::unique_ptr<EtcdServer> etcd;
  std::unique_ptr<Host> a;
  std::unique_ptr<Host> b;
};

TEST_F(Coordination, a_killed_host_is_followed_by_the_other_with_all_that_was_flushed) {
  start_both();
  EXPECT_THAT(b->refusal(), HasSubstr("open: vdisk 'vm1' is served by host host-a (lease ends in"));
  EXPECT_THAT(b->status(), HasSubstr("vdisk vm1: standby"));
  a->server->kill();
  ASSERT_TRUE(b->has_lease_state("held"));
  EXPECT_THAT(b->server->log(), HasSubstr("event=taken_over vdisk=vm1"));
  expect_blocks(*b, 0, 100);
  write(*b, 50, 150, 1000);
  expect_blocks(*b, 50, 150, 1000);
  expect_good_log(*b);
  // The first host comes back, and is the standby.
  ASSERT_TRUE(a->start());
  ASSERT_TRUE(a->has_lease_state("standby"));
  EXPECT_THAT(a->refusal(), HasSubstr("is served by host host-b"));
}

// The host's own supervisor is quicker than the lease: nothing moves, not even what was not flushed
// is lost.
TEST_F(Coordination, a_host_that_is_restarted_at_once_goes_on) {
  start_both();
  {
    NbdClient client(a->server->uri("vm1"));
    client.write(200 * kBlock, pattern(kBlock, 200));  // not flushed
    client.read(0, kBlock);
    a->server->kill();
  }
  ASSERT_TRUE(a->start());
  expect_blocks(*a, 0, 100);
  expect_blocks(*a, 200, 201);
  EXPECT_TRUE(a->has_lease_state("held"));
  EXPECT_TRUE(b->has_lease_state("standby"));
  EXPECT_EQ(b->server->log().find("taken_over"), std::string::npos);
}

TEST_F(Coordination, a_host_that_was_paused_is_fenced_and_says_by_whom) {
  start_both();
  NbdClient client(a->server->uri("vm1"));
  a->server->process().signal(SIGSTOP);
  ASSERT_TRUE(b->has_lease_state("held"));
  write(*b, 0, 50, 1000);
  a->server->process().signal(SIGCONT);
  EXPECT_THROW(
      {
        // Whatever is accepted before the stores have refused is never part of the vdisk.
        client.write(0, pattern(kBlock, 9999));
        client.flush();
      },
      std::runtime_error);
  ASSERT_TRUE(wait_until(
      [&] { return a->server->log().find("has taken the vdisk over") != std::string::npos; },
      kSoon));
  EXPECT_THROW(client.write(0, pattern(kBlock, 9999)), std::runtime_error);
  EXPECT_TRUE(a->has_lease_state("standby")) << a->status();
  EXPECT_THAT(a->status(), HasSubstr("host-b"));
  expect_blocks(*b, 0, 50, 1000);
  expect_blocks(*b, 50, 100);
  expect_good_log(*b);
}

// Its clients gone, it is the standby again, and takes over in its turn.
TEST_F(Coordination, a_fenced_host_stands_by_without_a_restart) {
  start_both();
  a->server->process().signal(SIGSTOP);
  ASSERT_TRUE(b->has_lease_state("held"));
  a->server->process().signal(SIGCONT);
  ASSERT_TRUE(a->has_lease_state("standby"));
  write(*b, 0, 50, 1000);
  b->server->kill();
  ASSERT_TRUE(a->has_lease_state("held"));
  expect_blocks(*a, 0, 50, 1000);
  expect_blocks(*a, 50, 100);
}

TEST_F(Coordination, without_etcd_the_writer_goes_on_and_nobody_takes_over) {
  start_both();
  const std::uint64_t epoch = a->epoch();
  std::atomic<bool> enough = false;
  std::atomic<std::uint64_t> written = 100;
  std::string trouble;
  std::thread load([&] {
    try {
      NbdClient client(a->server->uri("vm1"));
      for (std::uint64_t i = 100; !enough; ++i) {
        client.write(i % 4000 * kBlock, pattern(kBlock, i));
        client.flush();
        written = i + 1;
      }
    } catch (const std::runtime_error& error) {
      trouble = error.what();
    }
  });
  etcd->kill();
  EXPECT_TRUE(a->has_lease_state("lost")) << a->status();
  EXPECT_TRUE(a->says("this host goes on"));
  EXPECT_TRUE(b->has_lease_state("unreachable"));
  const std::uint64_t without = written;
  EXPECT_TRUE(wait_until([&] { return written > without + 20; }, kSoon));
  etcd->start();
  EXPECT_TRUE(a->has_lease_state("held")) << a->status();
  EXPECT_TRUE(b->has_lease_state("standby"));
  enough = true;
  load.join();
  EXPECT_EQ(trouble, "");
  EXPECT_EQ(a->epoch(), epoch);
  EXPECT_EQ(b->server->log().find("taken_over"), std::string::npos);
  expect_good_log(*a);
}

// Either of them may be quicker; whoever is, there is one writer and nothing is lost.
TEST_F(Coordination, a_lease_that_is_revoked_leaves_one_writer) {
  start_both();
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    const std::string lease = lease_of_key();
    ASSERT_NE(lease, "");
    (void)etcd->ctl({"lease", "revoke", lease});
    ASSERT_TRUE(wait_until(
        [&] {
          const std::string now = lease_of_key();
          return !now.empty() && now != lease;
        },
        kSoon));
    const Host* winner = the_one_that_serves();
    ASSERT_NE(winner, nullptr) << a->status() << b->status();
    expect_blocks(*winner, 0, 100, static_cast<std::uint64_t>(round) * 1000);
    write(*winner, 0, 100, static_cast<std::uint64_t>(round + 1) * 1000);
    expect_good_log(*winner);
  }
}

TEST_F(Coordination, of_two_that_start_at_once_one_serves) {
  ASSERT_TRUE(a->start());
  ASSERT_TRUE(b->start());
  Host* winner = the_one_that_serves();
  ASSERT_NE(winner, nullptr) << a->status() << b->status();
  Host& loser = winner == a.get() ? *b : *a;
  write(*winner, 0, 20);
  EXPECT_THAT(loser.refusal(), HasSubstr("is served by host " + winner->name()));
  expect_blocks(*winner, 0, 20);
}

TEST_F(Coordination, no_etcd_at_the_start_is_a_refusal_with_the_remedy) {
  etcd->kill();
  ASSERT_TRUE(a->start());
  EXPECT_THAT(a->refusal(), AllOf(HasSubstr("etcd cannot be reached"), HasSubstr(etcd->address()),
                                  HasSubstr("bring etcd back, or take coordination out")));
  EXPECT_TRUE(a->has_lease_state("unreachable"));
  etcd->start();
  ASSERT_TRUE(a->has_lease_state("held"));
  write(*a, 0, 10);
  expect_blocks(*a, 0, 10);
}

// As many servers away as leave the log's end unknown: said, and gone on with when they are back.
TEST_F(Coordination, a_takeover_that_cannot_keep_everything_is_not_done) {
  start_both();
  for (std::size_t i = 0; i < 3; ++i) (*fleet)[i].pause();
  a->server->kill();
  ASSERT_TRUE(b->has_lease_state("refused")) << b->status();
  EXPECT_THAT(b->refusal(), HasSubstr("takeover: vdisk 'vm1'"));
  EXPECT_FALSE(std::filesystem::exists(b->site.file("blocks/vm1")));
  for (std::size_t i = 0; i < 3; ++i) (*fleet)[i].resume();
  ASSERT_TRUE(b->has_lease_state("held")) << b->status();
  expect_blocks(*b, 0, 100);
}

class JournalCoordination : public Coordination {
 protected:
  void SetUp() override {
    Coordination::SetUp();
    if (IsSkipped()) return;
    make_hosts("journal", ", standby: true");
  }
};

// A stop stores everything and says so; a client that waits is served.
TEST_F(JournalCoordination, a_planned_stop_hands_over) {
  start_both();
  std::atomic<bool> served = false;
  std::string trouble;
  std::thread waiting([&] {
    try {
      NbdClient client(b->server->uri("vm1"));
      served = client.read(7 * kBlock, kBlock) == pattern(kBlock, 7);
    } catch (const std::runtime_error& error) {
      trouble = error.what();
    }
  });
  EXPECT_TRUE(a->has_lease_state("held"));
  EXPECT_FALSE(served);
  EXPECT_EQ(a->server->stop(), 0);
  waiting.join();
  EXPECT_EQ(trouble, "");
  EXPECT_TRUE(served);
  EXPECT_TRUE(b->has_lease_state("held"));
  expect_blocks(*b, 0, 100);
}

// What was flushed may be in the killed host's journal only: that is not given up by itself.
TEST_F(JournalCoordination, flushes_of_a_killed_host_are_not_given_up) {
  start_both();
  a->server->kill();
  ASSERT_TRUE(b->has_lease_state("refused")) << b->status();
  // Between the tries it is said; they begin again meanwhile.
  EXPECT_TRUE(b->says("with durability: journal, flushes that"));
  EXPECT_TRUE(b->says("give them up with `tlogctl takeover vm1`"));
  ASSERT_TRUE(a->start());
  ASSERT_TRUE(a->has_lease_state("held")) << a->status();
  expect_blocks(*a, 0, 100);
  // The operator decides otherwise.
  a->server->kill();
  const CommandResult taken =
      run_command({TLOG_TLOGCTL, "--config", b->site.config_path(), "takeover", "vm1"});
  ASSERT_TRUE(taken.ok()) << taken.text();
  ASSERT_TRUE(b->has_lease_state("held")) << b->status();
  expect_blocks(*b, 0, 100);
}

TEST_F(Coordination, times_and_members_may_change_while_it_is_served) {
  start_both();
  SiteOptions changed = options("host-a", "cluster", "");
  changed.more = "logLevel: info\ncoordination: {etcd: [\"http://127.0.0.1:1\", \"http://" +
                 etcd->address() + "\"], leaseTtl: 6s, hostName: host-a, standby: true}\n";
  a->site.configure(changed);
  auto reload = [&] {
    return run_command({TLOG_TLOGCTL, "--config", a->site.config_path(), "reload"});
  };
  const CommandResult taken = reload();
  ASSERT_TRUE(taken.ok()) << taken.text();
  EXPECT_TRUE(a->has_lease_state("held"));
  for (const char* refused :
       {"", "coordination: {etcd: [\"http://127.0.0.1:1\"], prefix: other}\n"}) {
    changed.more = std::string("logLevel: info\n") + refused;
    a->site.configure(changed);
    const CommandResult kept = reload();
    EXPECT_EQ(kept.exit_code, 1);
    EXPECT_THAT(kept.text(), HasSubstr("vdisks.vm1.coordination."));
  }
  a->server->kill();
  ASSERT_TRUE(b->has_lease_state("held"));
  expect_blocks(*b, 0, 100);
}

}  // namespace
}  // namespace tlog::testing
