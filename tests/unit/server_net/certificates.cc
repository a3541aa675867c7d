#include "tests/unit/server_net/certificates.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <array>
#include <ctime>
#include <stdexcept>

#include "tests/support/temp_directory.h"

namespace tlog::testing {
namespace {

void check(int result, const char* what) {
  if (result < 0) throw std::runtime_error(std::string(what) + ": " + ::gnutls_strerror(result));
}

}  // namespace

// Named, since a type that others see has members of them.
namespace authority {

struct Key {
  Key() {
    check(::gnutls_x509_privkey_init(&key), "privkey_init");
    // The curve that is made fastest.
    check(::gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                         GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
          "privkey_generate");
  }
  ~Key() { ::gnutls_x509_privkey_deinit(key); }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  gnutls_x509_privkey_t key = nullptr;
};

struct Cert {
  Cert() { check(::gnutls_x509_crt_init(&certificate), "crt_init"); }
  ~Cert() { ::gnutls_x509_crt_deinit(certificate); }
  Cert(const Cert&) = delete;
  Cert& operator=(const Cert&) = delete;

  void describe(const std::string& name, const Key& key, std::int64_t from_s, std::int64_t to_s) {
    static std::uint32_t count = 0;
    ++count;
    const std::array<unsigned char, 4> serial = {1, static_cast<unsigned char>(count >> 16),
                                                 static_cast<unsigned char>(count >> 8),
                                                 static_cast<unsigned char>(count)};
    check(::gnutls_x509_crt_set_version(certificate, 3), "version");
    check(::gnutls_x509_crt_set_serial(certificate, serial.data(), serial.size()), "serial");
    check(::gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name.data(),
                                          static_cast<unsigned>(name.size())),
          "name");
    const std::time_t now = std::time(nullptr);
    check(::gnutls_x509_crt_set_activation_time(certificate, now + from_s), "activation");
    check(::gnutls_x509_crt_set_expiration_time(certificate, now + to_s), "expiration");
    check(::gnutls_x509_crt_set_key(certificate, key.key), "key");
  }
  void sign(const Cert& signer, const Key& key) {
    check(::gnutls_x509_crt_sign2(certificate, signer.certificate, key.key, GNUTLS_DIG_SHA256, 0),
          "sign");
  }
  std::string pem() const {
    gnutls_datum_t text{};
    check(::gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &text), "export");
    std::string result(reinterpret_cast<const char*>(text.data), text.size);
    ::gnutls_free(text.data);
    return result;
  }
  gnutls_x509_crt_t certificate = nullptr;
};

}  // namespace authority

namespace {

using authority::Cert;
using authority::Key;

std::string pem_of(const Key& key) {
  gnutls_datum_t text{};
  check(::gnutls_x509_privkey_export2(key.key, GNUTLS_X509_FMT_PEM, &text), "export key");
  std::string result(reinterpret_cast<const char*>(text.data), text.size);
  ::gnutls_free(text.data);
  return result;
}

void add_names(const Cert& certificate, const CertificateRequest& request) {
  for (const std::string& name : request.dns_names) {
    check(::gnutls_x509_crt_set_subject_alt_name(certificate.certificate, GNUTLS_SAN_DNSNAME,
                                                 name.data(), static_cast<unsigned>(name.size()),
                                                 GNUTLS_FSAN_APPEND),
          "dns name");
  }
  for (const std::string& address : request.addresses) {
    std::array<unsigned char, 16> bytes{};
    const bool is_v4 = ::inet_pton(AF_INET, address.c_str(), bytes.data()) == 1;
    if (!is_v4) ::inet_pton(AF_INET6, address.c_str(), bytes.data());
    check(::gnutls_x509_crt_set_subject_alt_name(certificate.certificate, GNUTLS_SAN_IPADDRESS,
                                                 bytes.data(), is_v4 ? 4 : 16, GNUTLS_FSAN_APPEND),
          "address");
  }
}

}  // namespace

struct Authority::Parts {
  authority::Key key;
  authority::Cert certificate;
};

Authority::Authority(const std::string& name) : parts_(std::make_unique<Parts>()) {
  constexpr std::int64_t kYear = 365 * 24 * 3600;
  Cert& certificate = parts_->certificate;
  certificate.describe(name, parts_->key, -kYear, kYear);
  check(::gnutls_x509_crt_set_basic_constraints(certificate.certificate, 1, -1), "ca");
  check(::gnutls_x509_crt_set_key_usage(certificate.certificate,
                                        GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_DIGITAL_SIGNATURE),
        "usage");
  certificate.sign(certificate, parts_->key);
}

Authority::~Authority() = default;

void Authority::save(const std::string& path) const {
  write_text(path, parts_->certificate.pem());
}

void Authority::save_key(const std::string& path) const {
  write_text(path, pem_of(parts_->key), 0600);
}

void Authority::issue(const CertificateRequest& request, const std::string& certificate_path,
                      const std::string& key_path) const {
  const Key key;
  Cert certificate;
  certificate.describe(request.common_name, key, request.valid_from_s, request.valid_until_s);
  add_names(certificate, request);
  check(::gnutls_x509_crt_set_basic_constraints(certificate.certificate, 0, -1), "not a ca");
  check(::gnutls_x509_crt_set_key_purpose_oid(
            certificate.certificate,
            request.for_servers ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT, 0),
        "purpose");
  certificate.sign(parts_->certificate, parts_->key);
  write_text(certificate_path, certificate.pem());
  write_text(key_path, pem_of(key), 0600);
}

}  // namespace tlog::testing
