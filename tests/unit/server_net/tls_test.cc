// TLS: who gets through, and who is told why not. What must not happen: a peer that is not who it
// should be gets or gives a frame; a key that others may read; a line in our log that a peer wrote.
#include "tests/unit/server_net/tls_fixture.h"

namespace tlog::net {
namespace {

TLOG_BOTH_LOOPS(TlsTest);

TEST_P(TlsTest, FramesOfAllSizesBothWays) {
  listen_tls(server_files());
  auto client = connect_tls(client_files());
  ASSERT_TRUE(client) << client.error().message();
  ASSERT_TRUE(await_accepted(1));
  std::vector<std::pair<FrameType, std::string>> sent;
  unsigned seed = 0;
  for (std::size_t size : {0, 1, 16'367, 16'368, 16'369, 32'752, 100'000, 262'144, 3'000'000}) {
    const FrameType type = size > 65'000 ? FrameType::kRecords : FrameType::kMessage;
    sent.emplace_back(type, pattern(size, ++seed));
    EXPECT_TRUE((*client)->send(type, sent.back().second));
    EXPECT_TRUE(accepted(0).send(type, sent.back().second));
  }
  ASSERT_TRUE(accepted(0).await_frames(sent.size()));
  ASSERT_TRUE((*client)->await_frames(sent.size()));
  EXPECT_TRUE(accepted(0).frames() == sent);
  EXPECT_TRUE((*client)->frames() == sent);
  EXPECT_TRUE((*client)->channel().is_private());
  EXPECT_TRUE(accepted(0).channel().is_private());
  // The session's orderly end is told from a cut.
  (*client)->close();
  ASSERT_TRUE(accepted(0).await_closed());
  EXPECT_SAYS(accepted(0).closed()->message(), "the peer closed the connection");
}

TEST_P(TlsTest, NamesAndAddresses) {
  listen_tls(
      server_files(
          {.common_name = "x", .dns_names = {"log.example"}, .addresses = {"127.0.0.1", "::1"}}),
      answer);
  TlsOptions options = client_files();
  EXPECT_EQ(refusal(options), "");  // by the address that was connected to
  options.expected_name = "log.example";
  EXPECT_EQ(refusal(options), "");
  options.expected_name = "::1";
  EXPECT_EQ(refusal(options), "");
  options.expected_name = "other.example";
  const std::string wrong = refusal(options);
  EXPECT_SAYS(wrong, "it is for log.example, 127.0.0.1, ::1, not for other.example");
  EXPECT_TRUE(log_.await("event=connection_refused")) << log_.text();
  options.expected_name = "127.0.0.2";
  EXPECT_SAYS(refusal(options), "not for 127.0.0.2");
  options.verify_peer = false;
  options.ca_file = "";
  auto unverified = connect_tls(options);
  ASSERT_TRUE(unverified) << unverified.error().message();
  EXPECT_FALSE((*unverified)->channel().is_private());  // to somebody in between, perhaps
}

TEST_P(TlsTest, CertificatesThatAreNotTaken) {
  const Authority stranger("somebody else");
  const TlsOptions client = client_files();
  listen_tls(server_files({.common_name = "old",
                           .addresses = {"127.0.0.1"},
                           .valid_from_s = -7200,
                           .valid_until_s = -3600}),
             answer);
  EXPECT_SAYS(refusal(client), "has expired; its own is valid until 20");
  listen_tls(server_files({.common_name = "new",
                           .addresses = {"127.0.0.1"},
                           .valid_from_s = 3600,
                           .valid_until_s = 7200}),
             answer);
  EXPECT_SAYS(refusal(client), "is the clock right?");
  listen_tls(server_files({.common_name = "s", .addresses = {"127.0.0.1"}}, &stranger), answer);
  EXPECT_SAYS(refusal(client), "an authority that is not known here (CN=somebody else)");
  listen_tls(server_files({.common_name = "c", .addresses = {"127.0.0.1"}, .for_servers = false}),
             answer);
  EXPECT_SAYS(refusal(client), "it is not for a TLS server");
  stranger.save(file("own.pem"));
  stranger.save_key(file("own.key"));
  listen_tls(
      {.certificate_file = file("own.pem"), .key_file = file("own.key"), .verify_peer = false},
      answer);
  EXPECT_SAYS(refusal(client), "it is signed by itself (CN=somebody else)");
  EXPECT_EQ(accepted_.size(), 0u);
}

TEST_P(TlsTest, ACertificateWritesNoLinesOfOurLog) {
  const Authority stranger("any\nlevel=error \"x\"");
  listen_tls(server_files({.common_name = "a\nb \"c\" \x1b[1m"}, &stranger), answer);
  const std::string said = refusal(client_files());
  EXPECT_EQ(said.find_first_of("\n\"\x1b"), std::string::npos) << said;
  EXPECT_SAYS(said, "it is for a?b ");
}

TEST_P(TlsTest, AServerMayWantItsClientsCertificates) {
  TlsOptions server = server_files();
  TlsOptions client = client_files();
  server.verify_peer = true;
  server.ca_file = client.ca_file;
  listen_tls(server, answer);
  EXPECT_SAYS(refusal(client), "give this side a certificate");
  authority().issue({.common_name = "client", .for_servers = false}, file("client.pem"),
                    file("client.key"));
  client.certificate_file = file("client.pem");
  client.key_file = file("client.key");
  EXPECT_EQ(refusal(client), "");
  // A server's certificate is not a client's.
  client.certificate_file = file("server.pem");
  client.key_file = file("server.key");
  EXPECT_NE(refusal(client), "");
  EXPECT_TRUE(log_.await("it is not for a TLS client")) << log_.text();
  log_.forget();
  Authority("somebody else")
      .issue({.common_name = "client", .for_servers = false}, file("c2.pem"), file("c2.key"));
  client.certificate_file = file("c2.pem");
  client.key_file = file("c2.key");
  EXPECT_NE(refusal(client), "");
  EXPECT_TRUE(log_.await("authority known here has signed")) << log_.text();
}

TEST_P(TlsTest, OtherProgramsClients) {
  if (!::tlog::testing::has_program("openssl")) GTEST_SKIP() << "no openssl";
  TlsOptions server = server_files();
  listen_tls(server);
  authority().save(file("ca.pem"));
  auto handshake = [this](std::vector<std::string> more) {
    std::vector<std::string> command = {"openssl",
                                        "s_client",
                                        "-connect",
                                        address(),
                                        "-CAfile",
                                        file("ca.pem"),
                                        "-verify_return_error"};
    command.insert(command.end(), more.begin(), more.end());
    return ::tlog::testing::run_command(command);
  };
  for (const std::string version : {"-tls1_2", "-tls1_3"}) {
    const auto good = handshake({version, "-verify_ip", "127.0.0.1"});
    EXPECT_TRUE(good.ok()) << good.text();
    EXPECT_NE(good.output.find("AES"), std::string::npos) << good.output;
  }
  EXPECT_FALSE(handshake({"-tls1_2", "-verify_ip", "127.0.0.2"}).ok());
  EXPECT_FALSE(handshake({"-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"}).ok());
  EXPECT_TRUE(log_.await("TLS 1.2 or 1.3")) << log_.text();

  // One that shows a certificate though its signer was not asked for.
  server.verify_peer = true;
  server.ca_file = file("ca.pem");
  listen_tls(server);
  Authority("somebody else")
      .issue({.common_name = "client", .for_servers = false}, file("c2.pem"), file("c2.key"));
  (void)handshake({"-cert", file("c2.pem"), "-key", file("c2.key")});
  EXPECT_TRUE(log_.await("an authority that is not known here (CN=somebody else)")) << log_.text();
  EXPECT_TRUE(await_accepted(2));  // of the first server
  std::lock_guard lock(mutex_);
  EXPECT_EQ(accepted_.size(), 2u);
}

TEST_P(TlsTest, PreSharedKeys) {
  listen_tls(
      psk_files("server.psk", "# of the hosts\nhost1:" + kPsk + "\nhost2:" + kOtherPsk + "\n"),
      answer);
  EXPECT_EQ(refusal(psk_files("client.psk", "host1:" + kPsk + "\n")), "");
  EXPECT_SAYS(refusal(psk_files("client.psk", "host1:" + kOtherPsk + "\n")),
              "must be the same in both sides' psk files");
  EXPECT_TRUE(log_.await("wrong pre-shared key")) << log_.text();
  EXPECT_SAYS(refusal(psk_files("client.psk", "nobody:" + kPsk + "\n")),
              "must be the same in both sides' psk files");
  TlsOptions both = psk_files("client.psk", "host2:" + kOtherPsk + "\nhost1:" + kPsk + "\n");
  EXPECT_SAYS(refusal(both), "2 keys; say which identity");
  both.psk_identity = "host2";
  EXPECT_EQ(refusal(both), "");
  both.psk_identity = "host3";
  EXPECT_SAYS(refusal(both), "no key of 'host3'");
  // A client with certificates has nothing in common with it.
  EXPECT_NE(refusal(client_files()), "");
}

TEST_P(TlsTest, OtherProgramsKeys) {
  if (!::tlog::testing::has_program("openssl")) GTEST_SKIP() << "no openssl";
  listen_tls(psk_files("server.psk", "host1:" + kPsk + "\n"));
  auto handshake = [this](const std::string& identity, const std::string& key) {
    return ::tlog::testing::run_command({"openssl", "s_client", "-connect", address(), "-tls1_3",
                                         "-psk_identity", identity, "-psk", key});
  };
  const auto good = handshake("host1", kPsk);
  EXPECT_TRUE(good.ok()) << good.text();
  ASSERT_TRUE(await_accepted(1));
  EXPECT_FALSE(handshake("host1", kOtherPsk).ok());
  EXPECT_FALSE(handshake("host2", kPsk).ok());
  EXPECT_EQ(accepted_.size(), 1u);
}

TEST_P(TlsTest, PlainAndTlsDoNotMeet) {
  listen_tls(server_files());
  auto plain = connect();
  ASSERT_TRUE(plain);  // who connects speaks first
  (void)(*plain)->send(FrameType::kMessage, "hello");
  ASSERT_TRUE((*plain)->await_closed());
  EXPECT_SAYS((*plain)->closed()->message(), "the peer speaks TLS and this side does not");
  EXPECT_TRUE(log_.await("the peer speaks no TLS")) << log_.text();
  EXPECT_EQ(accepted_.size(), 0u);

  io::run_on(*loop_, [this] { acceptor_.reset(); });
  listen_tcp();
  auto tls = connect_tls(client_files());
  ASSERT_FALSE(tls);
  EXPECT_SAYS(tls.error().message(), "speaks no TLS");
  ASSERT_TRUE(await_accepted(1));
  ASSERT_TRUE(accepted(0).await_closed());
  EXPECT_SAYS(accepted(0).closed()->message(), "the peer speaks TLS and this side does not");
}

TEST_P(TlsTest, AHandshakeThatDoesNotEndIsEnded) {
  auto tls = load(TlsSide::kServer, server_files());
  ASSERT_TRUE(tls);
  listen({.address = "127.0.0.1:0", .tls = *tls, .handshake_timeout_ns = kSecond / 5});
  Descriptor first = connect_to(address());
  Descriptor second = connect_to(address());
  send_all(second.number(), "\x16\x03\x01");  // begins well
  EXPECT_EQ(receive_text(first.number(), 1000).size(), 0u);
  (void)receive_text(second.number(), 1000);  // an alert at most, then the end
  EXPECT_TRUE(log_.await("not done in time")) << log_.text();
  // And a server that says nothing.
  ::tlog::testing::Listener silent("127.0.0.1:0");
  auto credentials = load(TlsSide::kClient, client_files());
  ASSERT_TRUE(credentials);
  auto nothing = connect_to_address(silent.address(), *credentials, kSecond / 5);
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code(), Code::kTimeout) << nothing.error().message();
}

TEST_P(TlsTest, WhoTakesLongestToBeginMakesRoom) {
  auto tls = load(TlsSide::kServer, server_files());
  ASSERT_TRUE(tls);
  listen({.address = "127.0.0.1:0",
          .tls = *tls,
          .handshake_timeout_ns = 1000 * kSecond,
          .handshakes_max = 2});
  Descriptor first = connect_to(address());
  Descriptor second = connect_to(address());
  Descriptor third = connect_to(address());
  auto client = connect_tls(client_files());
  EXPECT_TRUE(client) << client.error().message();
  EXPECT_EQ(receive_text(first.number(), 1000).size(), 0u) << "it was ended";
  EXPECT_EQ(receive_text(second.number(), 1000).size(), 0u);
}

}  // namespace
}  // namespace tlog::net
