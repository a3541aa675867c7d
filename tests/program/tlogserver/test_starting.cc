// tlogserver as its user starts it: what it says and shows, where the key does not appear, how it
// ends. No client: that is test_records.cc.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/http_request.h"
#include "tests/support/loopback.h"
#include "tests/support/tlogserver_process.h"
#include "tlog/seal/key.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

const std::string kKey = "ThisIsTheSecret-0123456789abcdef";
const std::string kKeyDigits = "546869734973546865536563726574";  // how it begins, in hex

CommandResult refused(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), TlogserverProcess::program());
  // Should it start all the same, then where nobody is disturbed.
  arguments.insert(arguments.end(), {"--address", "127.0.0.1:0"});
  return run_command(arguments,
                     {.environment = {}, .directory = {}, .timeout = Milliseconds(30'000)});
}

TEST(Tlogserver, help_and_version) {
  const CommandResult help = run_command({TlogserverProcess::program(), "-help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* shown : {"--address", "0.0.0.0:11211", "--priv-key-file", "--flush-time"}) {
    EXPECT_THAT(help.output, HasSubstr(shown));
  }
  const CommandResult version = run_command({TlogserverProcess::program(), "--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.output, HasSubstr("tlogserver "));
}

TEST(Tlogserver, what_is_wrong_ends_it_with_2_and_the_flag) {
  TempDirectory directory;
  write_text(directory.file("bad.yml"), "vdisks: 7\n");
  write_text(directory.file("open.key"), "tlogdisk-key-1:" + std::string(64, 'a') + "\n", 0644);
  const struct {
    std::vector<std::string> arguments;
    const char* flag;
  } cases[] = {
      {{"-memorystorage", "-k=99"}, "--k"},
      {{"-memorystorage", "-priv-key", "tooshort"}, "--priv-key"},
      {{"-memorystorage", "-priv-key-file", directory.file("open.key")}, "--priv-key-file"},
      {{"-config", directory.file("bad.yml")}, "--config"},
      {{"-config", "127.0.0.1:2379"}, "etcd://127.0.0.1:2379/KEY"},
      {{"-k=1", "-m=0", "-storage-addresses", "127.0.0.1:1"}, "--priv-key-file"},  // nobody's key
  };
  for (const auto& one : cases) {
    const CommandResult result = refused(one.arguments);
    EXPECT_EQ(result.exit_code, 2) << result.text();
    EXPECT_THAT(result.error, HasSubstr(one.flag));
    EXPECT_THAT(result.error, Not(HasSubstr("tooshort")));
    EXPECT_EQ(result.output, "");
  }
}

TEST(Tlogserver, what_cannot_be_used_ends_it_with_1) {
  Listener taken("127.0.0.1:0");
  const CommandResult in_use =
      run_command({TlogserverProcess::program(), "-memorystorage", "-address", taken.address()},
                  {.environment = {}, .directory = {}, .timeout = Milliseconds(30'000)});
  EXPECT_EQ(in_use.exit_code, 1) << in_use.text();
  EXPECT_THAT(in_use.error, HasSubstr(taken.address()));
  const CommandResult pages = refused({"-memorystorage", "-profile-address", taken.address()});
  EXPECT_EQ(pages.exit_code, 1) << pages.text();
  EXPECT_THAT(pages.error, HasSubstr("--profile-address"));
  const CommandResult log = refused({"-memorystorage", "-logfile", "/nonexistent/log"});
  EXPECT_NE(log.exit_code, 0);
  EXPECT_THAT(log.error, HasSubstr("--logfile"));
}

// Where a secret might be seen: the list of processes, the log, every page.
TEST(Tlogserver, key_of_the_command_line_is_nowhere) {
  for (const std::vector<std::string>& flag :
       {std::vector<std::string>{"-priv-key", kKey}, {"--priv-key=" + kKey}}) {
    std::vector<std::string> arguments = {"-memorystorage", "-v", "-profile-address",
                                          "127.0.0.1:0"};
    arguments.insert(arguments.end(), flag.begin(), flag.end());
    TlogserverProcess server(arguments);
    const std::string line = read_text("/proc/" + std::to_string(server.pid()) + "/cmdline");
    EXPECT_THAT(line, HasSubstr("-priv-key"));
    std::string shown = line;
    for (const char* page : {"/", "/metrics", "/status", "/health", "/key"}) {
      shown += http_get(server.pages(), page).body;
    }
    EXPECT_EQ(server.stop(), 0);
    shown += server.log() + server.output();
    EXPECT_THAT(server.log(), HasSubstr("--priv-key-file"));  // the warning, with the remedy
    for (std::size_t i = 0; i + 8 <= kKey.size(); ++i) {
      EXPECT_EQ(shown.find(kKey.substr(i, 8)), std::string::npos);
    }
    EXPECT_THAT(shown, Not(HasSubstr(kKeyDigits)));
  }
}

TEST(Tlogserver, pages_can_be_read_by_machines) {
  TlogserverProcess server({"-memorystorage", "-profile-address=127.0.0.1:0"});
  ASSERT_NE(server.pages(), "");
  const HttpReply metrics = http_get(server.pages(), "/metrics");
  EXPECT_EQ(metrics.status, 200);
  EXPECT_THAT(metrics.head, HasSubstr("text/plain; version=0.0.4"));
  EXPECT_THAT(metrics.body, HasSubstr("\ntlogserver_connections_total 0\n"));
  const HttpReply health = http_get(server.pages(), "/health");
  EXPECT_EQ(health.status, 200);
  EXPECT_EQ(Json::parse(health.body)["status"], "ok");
  EXPECT_EQ(Json::parse(http_get(server.pages(), "/status").body)["address"], server.address());
  EXPECT_EQ(ask(server.pages(), "POST / HTTP/1.0\r\n\r\n").status, 405);
  EXPECT_EQ(server.stop(), 0);
}

TEST(Tlogserver, without_a_key_it_says_whom_it_serves) {
  TempDirectory directory;
  TlogserverProcess server(
      {"--k=1", "--m=0", "--storage-addresses", "127.0.0.1:1", "--unix", directory.file("s")});
  EXPECT_EQ(server.address(), "unix:" + directory.file("s"));
  EXPECT_THAT(server.log(), HasSubstr("event=no_key"));
  connect_to(server.address());
  EXPECT_EQ(server.stop(), 0);
}

TEST(Tlogserver, log_file_is_opened_anew_at_sighup) {
  TempDirectory directory;
  const std::string path = directory.file("log");
  TlogserverProcess server({"-memorystorage", "-logfile", path});
  EXPECT_THAT(read_text(path), HasSubstr("event=started"));
  std::filesystem::rename(path, path + ".1");
  server.signal(SIGHUP);
  EXPECT_TRUE(wait_until([&] { return std::filesystem::exists(path); }, Milliseconds(20'000)));
  EXPECT_EQ(server.stop(), 0);
  EXPECT_THAT(read_text(path), HasSubstr("event=stopped"));
  EXPECT_THAT(read_text(path + ".1"), Not(HasSubstr("event=stopped")));
  EXPECT_EQ(server.log(), "");
}

// A log that nobody takes, as on a disk that hangs: clients are served, and it ends all the same.
TEST(Tlogserver, log_that_hangs_stops_nothing) {
  TempDirectory directory;
  const std::string path = directory.file("log");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const Descriptor reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const Descriptor writer(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  const std::string some(4096, 'x');
  while (::write(writer.number(), some.data(), some.size()) > 0) {
  }
  TlogserverProcess server({"-memorystorage", "-logfile", path, "-profile-address=127.0.0.1:0"});
  for (int i = 0; i < 20; ++i) {
    const Descriptor stranger = connect_to(server.address());
    const std::string garbage = "what is this, then?";
    (void)::send(stranger.number(), garbage.data(), garbage.size(), MSG_NOSIGNAL);
    EXPECT_EQ(http_get(server.pages(), "/status").status, 200);
  }
  server.signal(SIGHUP);  // waits for it, too, for a moment
  EXPECT_EQ(server.stop(Milliseconds(30'000)), 0);
}

// systemd waits for it.
TEST(Tlogserver, service_manager_is_told) {
  TempDirectory directory;
  const std::string path = directory.file("notify");
  const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const SocketAddress address("unix:" + path);
  ASSERT_EQ(::bind(socket.number(), address.get(), address.length), 0);
  const timeval deadline{.tv_sec = 20, .tv_usec = 0};
  ::setsockopt(socket.number(), SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
  const auto told = [&] {
    char text[64];
    const ssize_t length = ::recv(socket.number(), text, sizeof text, 0);
    return length < 0 ? std::string("nothing")
                      : std::string(text, static_cast<std::size_t>(length));
  };
  TlogserverProcess server({"-memorystorage"}, {"NOTIFY_SOCKET=" + path});
  EXPECT_EQ(told(), "READY=1");
  EXPECT_EQ(server.stop(), 0);
  EXPECT_EQ(told(), "STOPPING=1");
}

TEST(Tlogserver, both_signals_end_it) {
  for (const int number : {SIGTERM, SIGINT}) {
    TlogserverProcess server({"-memorystorage"});
    server.signal(number);
    EXPECT_EQ(server.wait(Milliseconds(30'000)), 0);
    EXPECT_FALSE(std::filesystem::exists("/proc/" + std::to_string(server.pid()) + "/exe"));
  }
}

}  // namespace
}  // namespace tlog::testing
