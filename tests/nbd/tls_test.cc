// nbdkit's TLS over the plugin, with pre-shared keys and with certificates.
#include "tests/nbd/serving.h"

namespace tlog::testing {
namespace {

class NbdTls : public Serving {
 protected:
  std::string secure_uri(const std::string& user, const std::string& query) const {
    return "nbds+unix://" + user + "/vm1?socket=" + server->socket_path() + "&" + query;
  }
  bool connects(const std::string& uri) {
    return run_command({"nbdinfo", "--size", uri}).output == "67108864\n";
  }
  void make(const std::vector<std::string>& arguments) {
    const CommandResult result = run_command(arguments);
    ASSERT_TRUE(result.ok()) << result.text();
  }
};

TEST_F(NbdTls, PreSharedKey) {
  site = std::make_unique<Site>();
  const std::string keys = site->file("keys.psk");
  make({"psktool", "-u", "alice", "-p", keys});
  start({"--tls=require", "--tls-psk=" + keys});
  ASSERT_TRUE(connects(secure_uri("alice@", "tls-psk-file=" + keys))) << server->log();

  const std::string other = site->file("other.psk");
  make({"psktool", "-u", "alice", "-p", other});
  EXPECT_FALSE(connects(secure_uri("alice@", "tls-psk-file=" + other)));
  EXPECT_FALSE(connects(server->uri("vm1"))) << "a client without TLS was let in";

  const CommandResult copy =
      run_command({"nbdcopy", "--connections=2", secure_uri("alice@", "tls-psk-file=" + keys),
                   site->file("copy")});
  EXPECT_TRUE(copy.ok()) << copy.text();
}

TEST_F(NbdTls, NothingIsListedBeforeTls) {
  site = std::make_unique<Site>();
  const std::string keys = site->file("keys.psk");
  make({"psktool", "-u", "alice", "-p", keys});
  start({"--tls=require", "--tls-psk=" + keys});
  const CommandResult list = run_command({"nbdinfo", "--list", server->uri()});
  EXPECT_FALSE(list.ok());
  EXPECT_EQ(list.output.find("vm1"), std::string::npos) << list.output;
}

TEST_F(NbdTls, Certificates) {
  site = std::make_unique<Site>();
  const auto at = [&](const std::string& name) { return site->file(name); };
  write_text(at("ca.info"), "cn = Test\nca\ncert_signing_key\nexpiration_days = 2\n");
  write_text(at("server.info"),
             "cn = localhost\ndns_name = localhost\ntls_www_server\nencryption_key\n"
             "signing_key\nexpiration_days = 2\n");
  write_text(at("client.info"),
             "cn = client\ntls_www_client\nencryption_key\nsigning_key\nexpiration_days = 2\n");
  make({"certtool", "--generate-privkey", "--key-type=ecdsa", "--outfile", at("ca-key.pem")});
  make({"certtool", "--generate-self-signed", "--load-privkey", at("ca-key.pem"), "--template",
        at("ca.info"), "--outfile", at("ca-cert.pem")});
  for (const std::string who : {"server", "client"}) {
    make({"certtool", "--generate-privkey", "--key-type=ecdsa", "--outfile", at(who + "-key.pem")});
    make({"certtool", "--generate-certificate", "--load-ca-certificate", at("ca-cert.pem"),
          "--load-ca-privkey", at("ca-key.pem"), "--load-privkey", at(who + "-key.pem"),
          "--template", at(who + ".info"), "--outfile", at(who + "-cert.pem")});
  }
  start({"--tls=require", "--tls-certificates=" + site->directory(), "--tls-verify-peer"});
  EXPECT_TRUE(connects(secure_uri("", "tls-certificates=" + site->directory()))) << server->log();
  EXPECT_FALSE(connects(server->uri("vm1")));
  EXPECT_FALSE(connects(secure_uri("", "tls-verify-peer=false")))
      << "a client without a certificate was let in";
}

}  // namespace
}  // namespace tlog::testing
