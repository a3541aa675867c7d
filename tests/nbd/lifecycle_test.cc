// Starts, ends, crashes and clients that vanish.
#include <libnbd.h>
#include <signal.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "tests/nbd/serving.h"
#include "tests/support/redis_server.h"

namespace tlog::testing {
namespace {

class NbdLifecycle : public Serving {};

TEST_F(NbdLifecycle, second_opener_is_refused) {
  serve();
  NbdClient client(server->uri("vm1"));
  client.write(0, pattern(4096, 1));
  NbdkitOptions second = site->nbdkit();
  second.name = "second";
  second.parameters.push_back("control=none");
  const auto refused = NbdkitServer::start(second);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kUnavailable);
  EXPECT_NE(refused.error().message().find("vm1"), std::string::npos) << refused.error().message();
  // The first is not disturbed.
  client.write(4096, pattern(4096, 2), LIBNBD_CMD_FLAG_FUA);
  EXPECT_EQ(client.read(0, 4096), pattern(4096, 1));
}

TEST_F(NbdLifecycle, stale_lock_after_crash) {
  serve();
  for (std::uint64_t round = 0; round < 3; round++) {
    {
      NbdClient client(server->uri("vm1"));
      client.write(round * 4096, pattern(4096, round));
    }
    server->kill();
    start();  // throws when it is refused
  }
  NbdClient client(server->uri("vm1"));
  for (std::uint64_t round = 0; round < 3; round++) {
    EXPECT_EQ(client.read(round * 4096, 4096), pattern(4096, round)) << round;
  }
}

// Neither flushed nor FUA: answered is enough, as long as the machine lives.
TEST_F(NbdLifecycle, answered_write_survives_kill) {
  serve({"-t", "64"});
  {
    NbdClient client(server->uri("vm1"));
    for (std::uint64_t i = 0; i < 200; i++) client.write(i * 4096, pattern(4096, i));
    client.trim(0, 4096);
    server->kill();
  }
  start();
  NbdClient client(server->uri("vm1"));
  EXPECT_EQ(client.read(0, 4096), Bytes(4096));
  for (std::uint64_t i = 1; i < 200; i++)
    ASSERT_EQ(client.read(i * 4096, 4096), pattern(4096, i)) << i;
}

// nbdkit 1.32 itself may abort when a client vanishes with requests in flight (docs/operations.md),
// at once or when the next client comes. Whenever it does: what it had answered is there, and the
// next start serves at once.
TEST_F(NbdLifecycle, client_vanishes_with_requests_in_flight) {
  serve({"-t", "64"});
  int aborts = 0;
  const auto serve_again = [&](const std::string& why) {
    ASSERT_EQ(server->process().wait(Milliseconds(30'000)).value_or(0), 128 + SIGABRT)
        << "neither serves nor has aborted: " << why << "\n"
        << server->log();
    aborts++;
    start({"-t", "64"});
  };
  const auto verify = [&](const std::vector<std::uint64_t>& answered) {
    NbdClient client(server->uri("vm1"));
    for (std::uint64_t block : answered) {
      ASSERT_EQ(client.read(block * 4096, 4096), pattern(4096, block)) << block;
    }
  };
  for (int round = 0; round < 10 && !HasFatalFailure(); round++) {
    const CommandResult rude =
        run_command({TLOG_RUDE_CLIENT, server->uri("vm1"), std::to_string(round * 512), "100"});
    std::istringstream lines(rude.output);
    std::vector<std::uint64_t> answered;
    for (std::uint64_t block; lines >> block;) answered.push_back(block);
    if (rude.exit_code == 128 + SIGKILL) {
      ASSERT_EQ(answered.size(), 100u) << rude.text();
    } else {
      serve_again(rude.text());  // the abort of an earlier round came late, under this client
    }
    try {
      verify(answered);
    } catch (const std::runtime_error& error) {
      serve_again(error.what());
      verify(answered);
    }
  }
  std::printf("nbdkit aborted in %d of 10 rounds\n", aborts);
}

// nbdkit 1.32 waits for idle clients for ever; the disk must be in order meanwhile, so that SIGKILL
// harms nothing.
TEST_F(NbdLifecycle, StopsTheEngineWhileAClientIsIdle) {
  serve({"-v"});
  auto client = std::make_unique<NbdClient>(server->uri("vm1"));
  client->write(0, pattern(4096, 1));
  server->process().signal(SIGTERM);
  EXPECT_TRUE(wait_until([&] { return server->log().find("event=stopped") != std::string::npos; },
                         Milliseconds(30'000)));
  EXPECT_TRUE(server->process().running());
  EXPECT_ANY_THROW(client->read(0, 4096));
  EXPECT_TRUE(client->errno_of_last() == ESHUTDOWN || client->errno_of_last() == ENOTCONN)
      << client->errno_of_last();
  client.reset();
  EXPECT_EQ(server->process().wait(Milliseconds(30'000)).value_or(124), 0) << server->log();
  start();
  EXPECT_EQ(NbdClient(server->uri("vm1")).read(0, 4096), pattern(4096, 1));
}

TEST_F(NbdLifecycle, StopsUnderLoad) {
  serve({"-t", "64"});
  auto client = std::make_unique<NbdClient>(server->uri("vm1"));
  const Bytes bytes = pattern(4096, 1);
  std::vector<std::int64_t> cookies;
  for (std::uint64_t i = 0; i < 60; i++) {
    cookies.push_back(client->send_write(i * 4096, bytes, LIBNBD_CMD_FLAG_FUA));
  }
  server->process().signal(SIGTERM);
  std::vector<std::uint64_t> answered;
  for (std::uint64_t i = 0; i < cookies.size(); i++) {
    if (client->await(cookies[i]) == 0) answered.push_back(i);
  }
  client.reset();
  const int code = server->stop();
  EXPECT_EQ(code, 0) << server->log();
  start();
  NbdClient after(server->uri("vm1"));
  for (std::uint64_t i : answered) EXPECT_EQ(after.read(i * 4096, 4096), bytes) << i;
}

// Without -f: nbdkit forks, changes to /, and what was relative must still be found. Its threads
// are the child's.
TEST_F(NbdLifecycle, ServesFromTheBackground) {
  site = std::make_unique<Site>();
  CommandOptions options;
  options.directory = site->directory();
  const std::string socket = site->file("background.sock");
  const CommandResult parent = run_nbdkit({"-U", socket, "-P", site->file("background.pid"),
                                           plugin_path(), "tlogdisk.yml", "vdisk=vm1"},
                                          options);
  ASSERT_TRUE(parent.ok()) << parent.text();
  // The child writes it when clients can connect, which may be after the parent has ended.
  ASSERT_TRUE(wait_until([&] { return !read_text(site->file("background.pid")).empty(); },
                         Milliseconds(30'000)));
  const pid_t pid = static_cast<pid_t>(std::atoi(read_text(site->file("background.pid")).c_str()));
  ASSERT_GT(pid, 1);
  try {
    NbdClient client("nbd+unix:///vm1?socket=" + socket);
    client.write(0, pattern(4096, 1), LIBNBD_CMD_FLAG_FUA);
    EXPECT_EQ(client.read(0, 4096), pattern(4096, 1));
  } catch (const std::runtime_error& error) {
    ADD_FAILURE() << error.what();
  }
  EXPECT_EQ(kill(pid, SIGTERM), 0);
  EXPECT_TRUE(wait_for_end_of(pid, Milliseconds(30'000)));
}

// The socket is somebody else's, as under systemd: libnbd's `[ COMMAND ]` activates it the same
// way.
TEST_F(NbdLifecycle, ServesOnAnInheritedSocket) {
  site = std::make_unique<Site>();
  CommandOptions options;
  options.environment = sanitizer_environment();
  const CommandResult size =
      run_command({"nbdinfo", "--size", "--", "[", "nbdkit", "--exit-with-parent", plugin_path(),
                   "config=" + site->config_path(), "]"},
                  options);
  EXPECT_TRUE(size.ok()) << size.text();
  EXPECT_EQ(size.output, "67108864\n");
}

// `nbdkit -s`: the client is on standard input and output, and the end comes without a signal.
TEST_F(NbdLifecycle, ServesOnStandardInput) {
  site = std::make_unique<Site>();
  const std::string script =
      "import nbd, sys\n"
      "h = nbd.NBD()\n"
      "h.connect_command(['nbdkit', '-s', '--exit-with-parent'] + sys.argv[1:])\n"
      "h.pwrite(b'x' * 4096, 0)\n"
      "assert h.pread(4096, 0) == b'x' * 4096\n"
      "h.shutdown()\n"
      "del h\n"  // closes, and waits for nbdkit
      "print('ended')\n";
  CommandOptions options;
  options.environment = sanitizer_environment();
  const CommandResult result = run_command(
      {"/usr/bin/python3", "-c", script, plugin_path(), "config=" + site->config_path()}, options);
  EXPECT_TRUE(result.ok()) << result.text();
  EXPECT_EQ(result.output, "ended\n") << result.text();
}

// The log's only store stops answering while a FLUSH waits for it: reads and writes go on
// meanwhile, on its own connection and on others.
TEST_F(NbdLifecycle, flush_does_not_stall_others) {
  RedisServer store({.unix_socket = true});
  SiteOptions options;
  options.clusters = "  local: {servers: [{address: \"" + store.address() + "\"}]}\n";
  options.tlog =
      "cluster: local, dataShards: 1, parityShards: 0, durability: cluster, flushTime: 60s";
  serve({"-t", "64"}, options);
  NbdClient one(server->uri("vm1"));
  NbdClient other(server->uri("vm1"));
  one.write(0, pattern(4096, 1));
  one.flush();

  store.pause();
  const Bytes waited_for = pattern(4096, 2);
  ASSERT_EQ(one.await(one.send_write(4096, waited_for)), 0);
  const std::int64_t flush = one.send_flush();
  for (std::uint64_t i = 0; i < 20; i++) {
    const Bytes bytes = pattern(4096, 10 + i);
    NbdClient& client = i % 2 == 0 ? one : other;
    ASSERT_EQ(client.await(client.send_write(i * 65536, bytes), 5'000), 0) << i;
    EXPECT_EQ(other.read(i * 65536, 4096), bytes);
  }
  EXPECT_EQ(one.await(flush, 0), ETIMEDOUT) << "answered although no store has it";
  store.resume();
  EXPECT_EQ(one.await(flush), 0);
}

TEST_F(NbdLifecycle, key_is_nowhere) {
  serve({"-v", "-D", "tlogdisk.engine=1"});
  {
    NbdClient client(server->uri("vm1"));
    client.write(0, pattern(4096, 1), LIBNBD_CMD_FLAG_FUA);
  }
  const std::string proc = "/proc/" + std::to_string(server->process().pid());
  const std::string arguments = read_text(proc + "/cmdline") + read_text(proc + "/environ");
  ASSERT_EQ(server->stop(), 0) << server->log();
  EXPECT_EQ(arguments.find(site->key_hex()), std::string::npos);
  EXPECT_EQ(server->log().find(site->key_hex()), std::string::npos);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(site->directory())) {
    if (!entry.is_regular_file() || entry.path().filename() == "tlogdisk.key") continue;
    EXPECT_EQ(read_text(entry.path()).find(site->key_hex()), std::string::npos) << entry.path();
  }
}

}  // namespace
}  // namespace tlog::testing
