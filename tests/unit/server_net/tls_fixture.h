// File: tests/unit/server_net/tls_fixture.h
// Ends of a connection with TLS between them, and the files they need.
#pragma once

#include <memory>
#include <string>

#include "server/net/tls.h"
#include "tests/unit/server_net/certificates.h"
#include "tests/unit/server_net/net_fixture.h"

namespace tlog::net {

using ::tlog::testing::Authority;
using ::tlog::testing::CertificateRequest;

inline const std::string kPsk(64, 'a');
inline const std::string kOtherPsk(64, 'b');

inline Result<std::shared_ptr<const Tls>> load(TlsSide side, const TlsOptions& options) {
  return Tls::load(side, options, io::system_files());
}

class TlsTest : public NetTest {
 protected:
  // A server's, for the loopback.
  TlsOptions server_files(const CertificateRequest& request = {.common_name = "server",
                                                               .dns_names = {"localhost"},
                                                               .addresses = {"127.0.0.1"}},
                          const Authority* by = nullptr) {
    (by == nullptr ? authority() : *by).issue(request, file("server.pem"), file("server.key"));
    return {.certificate_file = file("server.pem"),
            .key_file = file("server.key"),
            .verify_peer = false};
  }
  TlsOptions client_files() {
    authority().save(file("ca.pem"));
    return {.ca_file = file("ca.pem")};
  }
  TlsOptions psk_files(const std::string& name, const std::string& lines) {
    ::tlog::testing::write_text(file(name), lines, 0600);
    return {.psk_file = file(name)};
  }
  void listen_tls(const TlsOptions& options, std::function<void(End&)> before = nullptr) {
    auto tls = load(TlsSide::kServer, options);
    ASSERT_TRUE(tls) << tls.error().message();
    listen({.address = "127.0.0.1:0", .tls = *tls}, std::move(before));
  }
  Result<std::unique_ptr<End>> connect_tls(const TlsOptions& options) {
    auto tls = load(TlsSide::kClient, options);
    if (!tls) return fail(tls.error());
    return connect(*tls);
  }
  // Why a client does not get through; "" when it does, and a frame as well.
  std::string refusal(const TlsOptions& options) {
    auto client = connect_tls(options);
    if (!client) return client.error().message();
    (void)(*client)->send(FrameType::kMessage, "hello");
    wait_until([&] { return (*client)->count() > 0 || (*client)->closed(); }, kPatience);
    if (const auto error = (*client)->closed()) return error->message();
    return (*client)->count() > 0 ? "" : "nothing came";
  }
  // Answers each frame by itself.
  static void answer(End& end) {
    end.on_frame = [](Channel& channel) {
      static const std::string hello = "welcome";
      channel.send(FrameType::kMessage, {bytes_of(std::string_view(hello))}, nullptr);
    };
  }
  std::string file(const std::string& name) { return directory_.file(name); }
  const Authority& authority() {
    if (!authority_) authority_ = std::make_unique<Authority>("our authority");
    return *authority_;
  }

 private:
  std::unique_ptr<Authority> authority_;
};

#define EXPECT_SAYS(text, part) \
  EXPECT_NE((text).find(part), std::string::npos) << "it says: " << (text)

}  // namespace tlog::net
