// File: server/net/credentials.h
// What is behind Tls: GnuTLS's credentials of one side. For this folder alone.
// Threading: const from any thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/net/tls.h"
#include "tlog/base/wipe.h"

struct gnutls_session_int;
struct gnutls_certificate_credentials_st;
struct gnutls_psk_server_credentials_st;
struct gnutls_psk_client_credentials_st;

namespace tlog::net {

using SecretVector = std::vector<std::byte, WipingAllocator<std::byte>>;

class Credentials final : public Tls {
 public:
  static Result<std::shared_ptr<const Credentials>> load(TlsSide side, const TlsOptions& options,
                                                         io::FileSystem& files);
  explicit Credentials(TlsSide side) : side_(side) {}
  ~Credentials() override;
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;

  TlsSide side() const { return side_; }
  bool uses_psk() const { return psk_server_ != nullptr || psk_client_ != nullptr; }
  bool verifies_peer() const { return verify_peer_; }
  // Who the peer is, is known: what is sent cannot go to somebody in between.
  bool knows_peer() const { return uses_psk() || verify_peer_ || side_ == TlsSide::kServer; }
  // Of a server: nobody is let in who has shown neither a certificate nor a key.
  bool verifies_client() const { return uses_psk() || verify_peer_; }
  const std::string& expected_name() const { return expected_name_; }
  // Of an identity that the server knows; null: it does not.
  const SecretVector* psk_of(const std::string& identity) const;

  // Gives a new session these credentials, versions and algorithms.
  Status apply_to(gnutls_session_int* session) const;

 private:
  Status load_psk(const TlsOptions& options, io::FileSystem& files);
  Status load_certificates(const TlsOptions& options, io::FileSystem& files);
  Status load_authorities(const TlsOptions& options, io::FileSystem& files);
  Status choose_client_psk(const TlsOptions& options);

  const TlsSide side_;
  bool verify_peer_ = true;
  std::string expected_name_;
  std::map<std::string, SecretVector> psks_;  // by identity
  gnutls_certificate_credentials_st* certificates_ = nullptr;
  gnutls_psk_server_credentials_st* psk_server_ = nullptr;
  gnutls_psk_client_credentials_st* psk_client_ = nullptr;
};

// Null stays null. The wrong side's is a caller's fault.
std::shared_ptr<const Credentials> credentials_for(TlsSide side, std::shared_ptr<const Tls> tls);

}  // namespace tlog::net
