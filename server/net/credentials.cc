#include "server/net/credentials.h"

#include <fmt/format.h>
#include <gnutls/gnutls.h>

#include "server/net/credential_files.h"
#include "server/net/tls_session.h"
#include "tlog/base/assert.h"

namespace tlog::net {
namespace {

// AES first, whatever GnuTLS thinks: processors have instructions for it, and ChaCha20 costs twenty
// times as much here. Certificates: forward secrecy always. Pre-shared keys: TLS 1.3, with a key
// exchange unless the peer can do without only.
#define TLOG_TLS_CIPHERS "-CIPHER-ALL:+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305"
constexpr const char* kCertificatePriority =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:%SERVER_PRECEDENCE:" TLOG_TLS_CIPHERS;
constexpr const char* kPskPriority =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:+DHE-PSK:+PSK:"
    "%SERVER_PRECEDENCE:" TLOG_TLS_CIPHERS;
#undef TLOG_TLS_CIPHERS

gnutls_datum_t datum_of(const SecretVector& bytes) {
  // GnuTLS reads it only, but has no type for that.
  auto* data = const_cast<std::byte*>(bytes.data());
  return {reinterpret_cast<unsigned char*>(data), static_cast<unsigned>(bytes.size())};
}

Status gnutls_status(int result, const std::string& what, std::string_view remedy) {
  if (result >= 0) return {};
  return fail(Code::kInvalidArgument,
              fmt::format("tls: {}: {}; {}", what, ::gnutls_strerror(result), remedy));
}

int give_psk(gnutls_session_t session, const gnutls_datum_t* identity, gnutls_datum_t* key) {
  const auto* context = static_cast<const TlsSession*>(::gnutls_session_get_ptr(session));
  const SecretVector* found = context->credentials().psk_of(
      std::string(reinterpret_cast<const char*>(identity->data), identity->size));
  if (found == nullptr) return -1;
  key->data = static_cast<unsigned char*>(::gnutls_malloc(found->size()));
  if (key->data == nullptr) return -1;
  std::memcpy(key->data, found->data(), found->size());
  key->size = static_cast<unsigned>(found->size());
  return 0;
}

Status check_options(TlsSide side, const TlsOptions& options) {
  const bool has_psk = !options.psk_file.empty();
  const bool has_x509 =
      !options.certificate_file.empty() || !options.key_file.empty() || !options.ca_file.empty();
  if (has_psk && has_x509) {
    return fail(Code::kInvalidArgument, "tls: a psk file and certificates; give one or the other");
  }
  if (has_psk) return {};
  if (!options.psk_identity.empty()) {
    return fail(Code::kInvalidArgument, "tls: an identity without a psk file; give both");
  }
  if (options.certificate_file.empty() != options.key_file.empty()) {
    return fail(Code::kInvalidArgument,
                "tls: a certificate and its key belong together; give both files");
  }
  if (side == TlsSide::kClient) return {};
  if (options.certificate_file.empty()) {
    return fail(Code::kInvalidArgument,
                "tls: a server needs a certificate and its key, or a psk file");
  }
  if (options.verify_peer && options.ca_file.empty()) {
    return fail(Code::kInvalidArgument,
                "tls: clients' certificates are to be verified, and there is no authority that "
                "signs them; give its certificate, or do not verify clients");
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const Tls>> Tls::load(TlsSide side, const TlsOptions& options,
                                             io::FileSystem& files) {
  TLOG_ASSIGN(auto credentials, Credentials::load(side, options, files));
  return std::shared_ptr<const Tls>(std::move(credentials));
}

Result<std::shared_ptr<const Credentials>> Credentials::load(TlsSide side,
                                                             const TlsOptions& options,
                                                             io::FileSystem& files) {
  TLOG_TRY(check_options(side, options));
  auto result = std::make_shared<Credentials>(side);
  result->verify_peer_ = options.verify_peer;
  result->expected_name_ = options.expected_name;
  if (options.psk_file.empty()) {
    TLOG_TRY(result->load_certificates(options, files));
  } else {
    TLOG_TRY(result->load_psk(options, files));
  }
  return std::shared_ptr<const Credentials>(std::move(result));
}

std::shared_ptr<const Credentials> credentials_for(TlsSide side, std::shared_ptr<const Tls> tls) {
  auto result = std::static_pointer_cast<const Credentials>(std::move(tls));
  TLOG_ASSERT(!result || result->side() == side);
  return result;
}

Credentials::~Credentials() {
  if (certificates_ != nullptr) ::gnutls_certificate_free_credentials(certificates_);
  if (psk_server_ != nullptr) ::gnutls_psk_free_server_credentials(psk_server_);
  if (psk_client_ != nullptr) ::gnutls_psk_free_client_credentials(psk_client_);
}

const SecretVector* Credentials::psk_of(const std::string& identity) const {
  const auto found = psks_.find(identity);
  return found == psks_.end() ? nullptr : &found->second;
}

Status Credentials::load_psk(const TlsOptions& options, io::FileSystem& files) {
  TLOG_ASSIGN(const SecretVector text,
              read_credential(files, options.psk_file, "psk file", FileSecrecy::kSecret));
  TLOG_ASSIGN(psks_, parse_psks(text, options.psk_file));
  if (side_ == TlsSide::kClient) return choose_client_psk(options);
  TLOG_TRY(gnutls_status(::gnutls_psk_allocate_server_credentials(&psk_server_), "psk", ""));
  ::gnutls_psk_set_server_credentials_function2(psk_server_, give_psk);
  return {};
}

Status Credentials::choose_client_psk(const TlsOptions& options) {
  std::string identity = options.psk_identity;
  if (identity.empty() && psks_.size() == 1) identity = psks_.begin()->first;
  const SecretVector* key = psk_of(identity);
  if (key == nullptr) {
    const std::string reason =
        identity.empty() ? fmt::format("{} keys; say which identity is to be used", psks_.size())
                         : fmt::format("no key of '{}'; check the identity", identity);
    return fail(Code::kInvalidArgument,
                fmt::format("tls: psk file: {}: {}", options.psk_file, reason));
  }
  TLOG_TRY(gnutls_status(::gnutls_psk_allocate_client_credentials(&psk_client_), "psk", ""));
  const gnutls_datum_t name{reinterpret_cast<unsigned char*>(identity.data()),
                            static_cast<unsigned>(identity.size())};
  const gnutls_datum_t secret = datum_of(*key);
  return gnutls_status(
      ::gnutls_psk_set_client_credentials2(psk_client_, &name, &secret, GNUTLS_PSK_KEY_RAW),
      "psk file: " + options.psk_file, "check the key");
}

Status Credentials::load_certificates(const TlsOptions& options, io::FileSystem& files) {
  TLOG_TRY(
      gnutls_status(::gnutls_certificate_allocate_credentials(&certificates_), "certificates", ""));
  if (!options.certificate_file.empty()) {
    TLOG_ASSIGN(
        const SecretVector certificate,
        read_credential(files, options.certificate_file, "certificate file", FileSecrecy::kPublic));
    TLOG_ASSIGN(const SecretVector key,
                read_credential(files, options.key_file, "key file", FileSecrecy::kSecret));
    const gnutls_datum_t certificate_datum = datum_of(certificate);
    const gnutls_datum_t key_datum = datum_of(key);
    TLOG_TRY(gnutls_status(
        ::gnutls_certificate_set_x509_key_mem2(certificates_, &certificate_datum, &key_datum,
                                               GNUTLS_X509_FMT_PEM, nullptr, 0),
        fmt::format("certificate file {}, key file {}", options.certificate_file, options.key_file),
        "both must be PEM, and the key the certificate's"));
  }
  return load_authorities(options, files);
}

Status Credentials::load_authorities(const TlsOptions& options, io::FileSystem& files) {
  if (options.ca_file.empty()) {
    if (!options.verify_peer) return {};
    const int found = ::gnutls_certificate_set_x509_system_trust(certificates_);
    return gnutls_status(found, "the system's certificate authorities",
                         "give the certificate of the authority that signs the peer's");
  }
  TLOG_ASSIGN(const SecretVector text,
              read_credential(files, options.ca_file, "authority file", FileSecrecy::kPublic));
  const gnutls_datum_t datum = datum_of(text);
  const int found =
      ::gnutls_certificate_set_x509_trust_mem(certificates_, &datum, GNUTLS_X509_FMT_PEM);
  return gnutls_status(found == 0 ? GNUTLS_E_NO_CERTIFICATE_FOUND : found,
                       "authority file: " + options.ca_file, "it must have certificates, as PEM");
}

Status Credentials::apply_to(gnutls_session_int* session) const {
  int result = ::gnutls_priority_set_direct(
      session, uses_psk() ? kPskPriority : kCertificatePriority, nullptr);
  if (result >= 0 && certificates_ != nullptr) {
    result = ::gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, certificates_);
  }
  if (result >= 0 && psk_server_ != nullptr) {
    result = ::gnutls_credentials_set(session, GNUTLS_CRD_PSK, psk_server_);
  }
  if (result >= 0 && psk_client_ != nullptr) {
    result = ::gnutls_credentials_set(session, GNUTLS_CRD_PSK, psk_client_);
  }
  if (side_ == TlsSide::kServer && certificates_ != nullptr) {
    ::gnutls_certificate_server_set_request(
        session, verify_peer_ ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_IGNORE);
  }
  return gnutls_status(result, "session", "is the system's policy for GnuTLS too narrow?");
}

}  // namespace tlog::net
