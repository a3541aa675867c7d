// Goal: a client with TLS settings speaks TLS on both connections of each server, and hands its key
// over nowhere else, unless both sides allow it. Method: a real server on TCP, with certificates
// made for it, a pre-shared key, or nothing.
#include "tests/fault/client/served.h"
#include "tests/unit/server_net/certificates.h"

namespace tlog::testing {
namespace {

constexpr std::uint64_t kNotLongNs = 500'000'000;

class ClientTlsTest : public Served {
 protected:
  ClientTlsTest() {
    authority.issue({.common_name = "server", .addresses = {"127.0.0.1"}}, file("server.pem"),
                    file("server.key"));
    authority.save(file("ca.pem"));
  }
  std::string file(const std::string& name) const { return rig.directory.path() + "/" + name; }
  static std::shared_ptr<const net::Tls> tls(net::TlsSide side, const net::TlsOptions& options) {
    auto loaded = net::Tls::load(side, options, io::system_files());
    if (!loaded) throw std::runtime_error(loaded.error().message());
    return *loaded;
  }
  std::shared_ptr<const net::Tls> server_tls() const {
    return tls(net::TlsSide::kServer, {.certificate_file = file("server.pem"),
                                       .key_file = file("server.key"),
                                       .verify_peer = false});
  }
  std::shared_ptr<const net::Tls> client_tls() const {
    return tls(net::TlsSide::kClient, {.ca_file = file("ca.pem")});
  }
  void listen(std::shared_ptr<const net::Tls> server_side, bool insecure = false) {
    servers.push_back(std::make_unique<ServerRig>([&](server::ServerOptions& options) {
      options.address = "127.0.0.1:0";
      options.tls = server_side;
      options.insecure = insecure;
      options.flush_time_ns = 20'000'000;
    }));
    away.push_back(false);
  }
  client::ClientOptions over_tcp(std::shared_ptr<const net::Tls> client_side) {
    client::ClientOptions wanted = options(1);
    wanted.servers = {servers[0]->address()};
    wanted.tls = std::move(client_side);
    return wanted;
  }
  void expect_stored(const client::ClientOptions& wanted) {
    auto opened = rig.open(wanted);
    ASSERT_TRUE(opened) << opened.error().message();
    rig.append(500);
    ASSERT_TRUE(stored(500));
    check_all_logs();
  }
  std::string refusal(const client::ClientOptions& wanted) {
    auto opened = rig.open(wanted, kNotLongNs);
    return opened ? "" : opened.error().message();
  }

  const Authority authority{"authority"};
};

TEST_F(ClientTlsTest, CertificatesOnBothConnections) {
  listen(server_tls());
  expect_stored(over_tcp(client_tls()));
}

TEST_F(ClientTlsTest, APreSharedKey) {
  write_text(file("psk"), "vm1:" + std::string(64, 'a') + "\n", 0600);
  listen(tls(net::TlsSide::kServer, {.psk_file = file("psk")}));
  expect_stored(over_tcp(tls(net::TlsSide::kClient, {.psk_file = file("psk")})));
}

TEST_F(ClientTlsTest, AServerOfAnotherAuthorityIsNotSpokenTo) {
  listen(server_tls());
  Authority("another one").save(file("ca.pem"));
  const std::string reason = refusal(over_tcp(client_tls()));
  EXPECT_NE(reason.find("certificate"), std::string::npos) << reason;
  EXPECT_EQ(servers[0]->server().status().sessions.size(), 0U);
}

TEST_F(ClientTlsTest, AKeyIsNotSentWhereOthersCanReadIt) {
  listen(nullptr);
  const std::string reason = refusal(over_tcp(nullptr));
  EXPECT_NE(reason.find("the key would be sent where others can read it"), std::string::npos)
      << reason;
  EXPECT_EQ(servers[0]->server().status().refused, 0U);  // it was not even asked
}

TEST_F(ClientTlsTest, UnlessBothSidesAllowIt) {
  listen(nullptr, true);
  client::ClientOptions wanted = over_tcp(nullptr);
  wanted.insecure = true;
  expect_stored(wanted);
}

TEST_F(ClientTlsTest, PlainIsNotTakenByAServerWithTls) {
  listen(server_tls());
  client::ClientOptions wanted = over_tcp(nullptr);
  wanted.insecure = true;
  EXPECT_NE(refusal(wanted), "");
  EXPECT_EQ(servers[0]->server().status().sessions.size(), 0U);
}

}  // namespace
}  // namespace tlog::testing
