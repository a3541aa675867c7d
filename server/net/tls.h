// Tls: the credentials of one side, made once from files and shared by all its connections (GnuTLS
// behind it). Certificates (X.509) or a pre-shared key; the peer is verified by default.
// Threading: const from any thread.
// Errors: a file that is absent, readable by others (keys), malformed, or does not fit: named, with
// the remedy.
#pragma once

#include <memory>
#include <string>

#include "tlog/base/types.h"
#include "tlog/io/file.h"

namespace tlog::net {

struct TlsOptions {
  // X.509: a server has certificate and key; a client has them when the server asks for them.
  std::string certificate_file = {};
  std::string key_file = {};
  // Of who signs the peer's certificate. "": the system's authorities, for a client only.
  std::string ca_file = {};
  // Or a pre-shared key: a file of "identity:hex" lines (psktool's), mode 0600; a client takes the
  // line of psk_identity, or the only one.
  std::string psk_file = {};
  std::string psk_identity = {};
  bool verify_peer = true;  // client: the server's name and chain. Server: wants a certificate
  std::string expected_name = {};  // client: instead of the host in the address
};

enum class TlsSide { kServer, kClient };

class Tls {
 public:
  virtual ~Tls() = default;
  static Result<std::shared_ptr<const Tls>> load(TlsSide side, const TlsOptions& options,
                                                 io::FileSystem& files);
};

}  // namespace tlog::net
