// tlogserver with TLS, asked by tlogctl: who is told its status, and credentials that are read
// again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "tests/support/client_rig.h"
#include "tests/support/loopback.h"
#include "tests/support/tlogserver_process.h"
#include "tests/unit/server_net/certificates.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;

struct TlogserverTls : ::testing::Test {
  TlogserverTls() {
    first.save(file("first.pem"));
    second.save(file("second.pem"));
    issue(first);
  }
  std::string file(const std::string& name) const { return directory.file(name); }
  void issue(const Authority& by) const {
    std::vector<std::string> addresses = {"127.0.0.1"};
    if (!outer.empty()) addresses.push_back(outer);
    by.issue({.common_name = "server", .addresses = addresses}, file("s.pem"), file("s.key"));
  }
  std::vector<std::string> flags(std::vector<std::string> more = {}) const {
    more.insert(more.begin(),
                {"-memorystorage", "-tls-cert", file("s.pem"), "-tls-key", file("s.key")});
    return more;
  }
  static CommandResult status(const std::string& address, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {TLOGCTL, "server-status", address});
    return run_command(more);
  }
  // Of a server that listens on all addresses.
  std::string outside(const TlogserverProcess& server) const {
    return outer + server.address().substr(server.address().rfind(':'));
  }

  TempDirectory directory;
  const std::string outer = outer_address();
  const Authority first{"first"};
  const Authority second{"second"};
};

TEST_F(TlogserverTls, status_is_told_to_who_is_known) {
  if (outer.empty()) GTEST_SKIP() << "this machine has loopback only";
  const std::vector<std::string> ca = {"--tls-ca", file("first.pem")};
  {
    TlogserverProcess plain({"-memorystorage", "--address", "0.0.0.0:0"});
    const CommandResult stranger = status(outside(plain));
    EXPECT_EQ(stranger.exit_code, 1) << stranger.text();
    EXPECT_THAT(stranger.error, HasSubstr("refused"));
    EXPECT_THAT(stranger.error, HasSubstr("127.0.0.1"));
    EXPECT_THAT(stranger.error, HasSubstr("--insecure"));
  }
  {
    TlogserverProcess anonymous(flags({"--address", "0.0.0.0:0"}));
    const CommandResult stranger = status(outside(anonymous), ca);
    EXPECT_EQ(stranger.exit_code, 1) << stranger.text();
    EXPECT_THAT(stranger.error, HasSubstr("certificate"));
  }
  {
    TlogserverProcess verifying(
        flags({"-tls-verify-client", "-tls-ca", file("second.pem"), "--address", "0.0.0.0:0"}));
    second.issue({.common_name = "client", .for_servers = false}, file("c.pem"), file("c.key"));
    const CommandResult known = status(
        outside(verifying),
        {"--tls-ca", file("first.pem"), "--tls-cert", file("c.pem"), "--tls-key", file("c.key")});
    EXPECT_EQ(known.exit_code, 0) << known.text();
  }
  write_text(file("psk"), "one:" + std::string(64, 'a') + "\n", 0600);
  TlogserverProcess sharing(
      {"-memorystorage", "-tls-psk-file", file("psk"), "--address", "0.0.0.0:0"});
  const CommandResult known = status(outside(sharing), {"--tls-psk-file", file("psk")});
  EXPECT_EQ(known.exit_code, 0) << known.text();
}

TEST_F(TlogserverTls, files_are_read_again_at_sighup_and_bad_ones_change_nothing) {
  TlogserverProcess server(flags());
  const std::vector<std::string> by_first = {"--tls-ca", file("first.pem")};
  const std::vector<std::string> by_second = {"--tls-ca", file("second.pem")};
  ASSERT_EQ(status(server.address(), by_first).exit_code, 0) << server.log();
  // It trusts the first authority alone, so it cannot come back.
  ClientRig rig;
  client::ClientOptions options = rig.options({server.address()}, 1);
  options.tls =
      net::Tls::load(net::TlsSide::kClient, {.ca_file = file("first.pem")}, io::system_files())
          .value();
  const Status opened = rig.open(options);
  ASSERT_TRUE(opened.has_value()) << opened.error().message();

  issue(second);
  EXPECT_EQ(status(server.address(), by_second).exit_code, 1) << "nobody has told it";
  server.signal(SIGHUP);
  EXPECT_TRUE(
      wait_until([&] { return server.log().find("event=tls_reloaded") != std::string::npos; },
                 Milliseconds(20'000)))
      << server.log();
  const CommandResult now = status(server.address(), by_second);
  EXPECT_EQ(now.exit_code, 0) << now.text();
  EXPECT_EQ(status(server.address(), by_first).exit_code, 1);
  rig.append(50);
  EXPECT_TRUE(rig.wait_stored(50)) << "who is connected stays";

  write_text(file("s.key"), "no key at all\n", 0600);
  server.signal(SIGHUP);
  EXPECT_TRUE(
      wait_until([&] { return server.log().find("event=tls_not_reloaded") != std::string::npos; },
                 Milliseconds(20'000)))
      << server.log();
  EXPECT_THAT(server.log(), HasSubstr(file("s.key")));
  const CommandResult still = status(server.address(), by_second);
  EXPECT_EQ(still.exit_code, 0) << still.text();
  rig.append(50);
  EXPECT_TRUE(rig.wait_stored(100));
  rig.close();
  EXPECT_EQ(server.stop(), 0);
}

}  // namespace
}  // namespace tlog::testing
