// File: tests/unit/server_net/certificates.h
// Keys and certificates made in the test's process, as PEM files of its directory.
// Threading: one thread. Errors: std::runtime_error.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tlog::testing {

struct CertificateRequest {
  std::string common_name;
  std::vector<std::string> dns_names = {};
  std::vector<std::string> addresses = {};  // numeric
  bool for_servers = true;                  // else for clients
  std::int64_t valid_from_s = -3600;        // from now
  std::int64_t valid_until_s = 3600;
};

// Signs certificates.
class Authority {
 public:
  explicit Authority(const std::string& name);
  ~Authority();
  // Writes its own certificate.
  void save(const std::string& path) const;
  void save_key(const std::string& path) const;
  // Makes a key and a certificate for it; the key's file has mode 0600.
  void issue(const CertificateRequest& request, const std::string& certificate_path,
             const std::string& key_path) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace tlog::testing
