// Sessions inside TLS, with the client that applications use.
#include <gtest/gtest.h>

#include <list>

#include "tests/fault/server/server_rig.h"
#include "tests/support/client_rig.h"
#include "tests/unit/server_net/certificates.h"

namespace tlog::testing {
namespace {

constexpr std::uint64_t kMemory = 1 * kMiB;
constexpr std::size_t kRecordBytes = 16 * kKiB;

class OverTls : public ::testing::Test {
 protected:
  OverTls() {
    const std::string certificate = client.directory.file("server.pem");
    const std::string key_file = client.directory.file("server.key");
    const Authority authority("our authority");
    authority.issue(
        {.common_name = "server", .dns_names = {"localhost"}, .addresses = {"127.0.0.1"}},
        certificate, key_file);
    authority.save(client.directory.file("ca.pem"));
    const auto tls =
        load(net::TlsSide::kServer,
             {.certificate_file = certificate, .key_file = key_file, .verify_peer = false});
    server_ = std::make_unique<ServerRig>([&](server::ServerOptions& options) {
      options.address = "127.0.0.1:0";
      options.tls = tls;
      options.session_memory_bytes = kMemory;
      options.hello_timeout_ns = 1'000'000'000'000;  // also a handshake's
    });
    key_ = std::make_unique<seal::MasterKey>(server_->key());
  }
  ~OverTls() override { client.close(0); }

  static std::shared_ptr<const net::Tls> load(net::TlsSide side, const net::TlsOptions& options) {
    return std::move(net::Tls::load(side, options, io::system_files()).value());
  }
  client::ClientOptions options() {
    client::ClientOptions wanted = client.options({server_->address()}, 1);
    wanted.tls = load(net::TlsSide::kClient, {.ca_file = client.directory.file("ca.pem")});
    wanted.key = key_.get();
    wanted.batch_bytes = 128 * kKiB;
    return wanted;
  }
  void append(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      SentRecord record{.sequence = model.size() + 1, .offset = 0, .data = {}};
      record.data = std::to_string(record.sequence);
      record.data.resize(kRecordBytes, 'x');
      ASSERT_TRUE(client.log.append(bytes_of(std::string_view(record.data)), 0));
      model.push_back(std::move(record));
    }
    client.client().more();
  }
  void expect_stored() {
    client.client().force(model.size());
    EXPECT_TRUE(client.wait_stored(model.size()));
  }
  ServerRig& rig() { return *server_; }

  ClientRig client;
  std::vector<SentRecord> model;

 private:
  std::unique_ptr<ServerRig> server_;
  std::unique_ptr<seal::MasterKey> key_;
};

TEST_F(OverTls, a_key_is_handed_over_and_records_come_through) {
  const Status opened = client.open(options());
  ASSERT_TRUE(opened) << opened.error().message();
  append(100);
  expect_stored();
  client.close();
  rig().expect_log("vm1", model);
}

TEST_F(OverTls, stores_that_do_not_answer_stop_the_client_and_not_for_good) {
  ASSERT_TRUE(client.open(options()));
  rig().contents("vm1").refuse(true);
  append(400);
  EXPECT_TRUE(rig().wait_until([&] { return rig().session("vm1").paused; }));
  EXPECT_LE(rig().session("vm1").memory_bytes, 3 * kMemory);
  rig().contents("vm1").refuse(false);
  expect_stored();
  client.close();
  rig().expect_log("vm1", model);
}

// Of many connections that never begin their handshake none keeps others out.
TEST_F(OverTls, a_silent_crowd_keeps_nobody_out) {
  std::list<FrameClient> crowd;
  for (int i = 0; i < 300; ++i) crowd.push_back(rig().stranger());
  ASSERT_TRUE(client.open(options()));
  append(10);
  expect_stored();
}

TEST_F(OverTls, who_speaks_plainly_is_not_heard) {
  FrameClient stranger = rig().stranger();
  stranger.say(protocol::StatusRequest{.id = 1});
  stranger.wait_closed();
  EXPECT_TRUE(rig().wait_until([&] { return rig().logger().has("speaks no TLS"); }));
  EXPECT_EQ(rig().server().status().connections, 0u);
}

}  // namespace
}  // namespace tlog::testing
