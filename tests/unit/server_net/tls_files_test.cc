// Files of credentials: those that other programs make are taken, those that are no good, or that
// others may read, are refused with the remedy.
#include <sys/stat.h>

#include "tests/unit/server_net/tls_fixture.h"

namespace tlog::net {
namespace {

class TlsFiles : public TlsTest {};
INSTANTIATE_TEST_SUITE_P(One, TlsFiles, ::testing::Values(io::IoMode::kPosix), io::mode_name);

std::string why(TlsSide side, const TlsOptions& options) {
  auto tls = load(side, options);
  return tls ? "" : tls.error().message();
}

TEST_P(TlsFiles, AreRefusedWithTheRemedy) {
  const TlsOptions good = server_files();
  EXPECT_EQ(why(TlsSide::kServer, good), "");
  TlsOptions options = good;
  options.key_file = file("absent");
  EXPECT_SAYS(why(TlsSide::kServer, options), "key file: " + file("absent") + ": there is none");
  options.key_file = "";
  EXPECT_SAYS(why(TlsSide::kServer, options), "give both files");
  EXPECT_SAYS(why(TlsSide::kServer, {}), "a server needs a certificate");
  options = good;
  options.verify_peer = true;
  EXPECT_SAYS(why(TlsSide::kServer, options), "do not verify clients");
  options = good;
  options.psk_file = file("x");
  EXPECT_SAYS(why(TlsSide::kServer, options), "one or the other");

  ASSERT_EQ(::chmod(file("server.key").c_str(), 0640), 0);
  EXPECT_SAYS(why(TlsSide::kServer, good), "chmod 600 " + file("server.key"));
  ASSERT_EQ(::chmod(file("server.key").c_str(), 0400), 0);
  EXPECT_EQ(why(TlsSide::kServer, good), "");
  authority().issue({.common_name = "other"}, file("other.pem"), file("other.key"));
  options = good;
  options.key_file = file("other.key");
  EXPECT_SAYS(why(TlsSide::kServer, options), "the key the certificate's");
  ::tlog::testing::write_text(file("text"), "no certificate\n", 0600);
  EXPECT_SAYS(why(TlsSide::kClient, {.ca_file = file("text")}), "must have certificates");
}

// As docs/operations.md says they are made.
TEST_P(TlsFiles, OfCerttoolAndPsktool) {
  if (!::tlog::testing::has_program("certtool")) GTEST_SKIP() << "no certtool";
  const auto made =
      ::tlog::testing::run_command({"sh", "-c", R"(set -e; umask 077
certtool --generate-privkey --key-type=ecdsa --outfile ca.key
printf 'cn = "tlog authority"\nca\ncert_signing_key\nexpiration_days = 3650\n' > ca.cfg
certtool --generate-self-signed --load-privkey ca.key --template ca.cfg --outfile ca.pem
issue() {
  certtool --generate-privkey --key-type=ecdsa --outfile $1.key
  certtool --generate-certificate --load-privkey $1.key --load-ca-certificate ca.pem \
           --load-ca-privkey ca.key --template $1.cfg --outfile $1.pem
}
printf 'cn = "log1.example"\ndns_name = "log1.example"\nip_address = "127.0.0.1"
tls_www_server\nsigning_key\nexpiration_days = 365\n' > server.cfg
printf 'cn = "host1"\ntls_www_client\nsigning_key\nexpiration_days = 365\n' > client.cfg
issue server
issue client
psktool -u host1 -p keys.psk
psktool -u host2 -p keys.psk
grep ^host1: keys.psk > host1.psk)"},
                                   {.environment = {}, .directory = directory_.path()});
  ASSERT_TRUE(made.ok()) << made.text();
  listen_tls({.certificate_file = file("server.pem"),
              .key_file = file("server.key"),
              .ca_file = file("ca.pem")},
             answer);
  TlsOptions client = {.certificate_file = file("client.pem"),
                       .key_file = file("client.key"),
                       .ca_file = file("ca.pem")};
  EXPECT_EQ(refusal(client), "");
  client.expected_name = "log1.example";
  EXPECT_EQ(refusal(client), "");
  listen_tls({.psk_file = file("keys.psk")}, answer);
  EXPECT_EQ(refusal({.psk_file = file("host1.psk")}), "");
}

TEST_P(TlsFiles, KeysThatAreShared) {
  for (const std::string& line :
       {std::string("noColon"), ":" + kPsk, std::string("short:aabb"), "odd:" + kPsk + "a",
        "letters:" + std::string(64, 'g'), std::string(200, 'n') + ":" + kPsk}) {
    EXPECT_SAYS(why(TlsSide::kServer, psk_files("p", "ok:" + kPsk + "\n" + line + "\n")), "line 2")
        << line;
  }
  EXPECT_SAYS(why(TlsSide::kServer, psk_files("p", "# none\n")), "no keys");
  const TlsOptions options = psk_files("p", "a:" + kPsk);
  EXPECT_EQ(why(TlsSide::kClient, options), "");
  ASSERT_EQ(::chmod(file("p").c_str(), 0604), 0);
  EXPECT_SAYS(why(TlsSide::kClient, options), "chmod 600");
}

}  // namespace
}  // namespace tlog::net
