#include "server/net/peer_certificate.h"

#include <arpa/inet.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "server/net/alert_text.h"

namespace tlog::net {
namespace {

constexpr std::size_t kTextBytes = 512;

struct FreeCertificate {
  void operator()(gnutls_x509_crt_t certificate) const { ::gnutls_x509_crt_deinit(certificate); }
};
using Certificate = std::unique_ptr<gnutls_x509_crt_int, FreeCertificate>;

// The peer's own, null when it has sent none.
Certificate own_certificate(gnutls_session_t session) {
  unsigned count = 0;
  const gnutls_datum_t* chain = ::gnutls_certificate_get_peers(session, &count);
  gnutls_x509_crt_t certificate = nullptr;
  if (chain == nullptr || count == 0 || ::gnutls_x509_crt_init(&certificate) < 0) return nullptr;
  Certificate result(certificate);
  if (::gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER) < 0) return nullptr;
  return result;
}

// A certificate says what its maker likes, and what it says comes into our log.
std::string printable(const char* text, std::size_t size) {
  std::string result(text, size);
  std::replace_if(
      result.begin(), result.end(),
      [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '"' || c == '\x7f'; }, '?');
  return result;
}

std::string time_text(std::time_t time) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(time));
}

std::string ip_text(const char* bytes, std::size_t size) {
  char text[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes, text, sizeof text);
  return text;
}

// Whom it is for: the alternative names, or the common name when there are none.
std::string names_of(gnutls_x509_crt_t certificate) {
  std::vector<std::string> names;
  for (unsigned index = 0; index < 16; ++index) {
    char text[kTextBytes] = {};
    std::size_t size = sizeof text;
    const int type =
        ::gnutls_x509_crt_get_subject_alt_name(certificate, index, text, &size, nullptr);
    if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) break;
    if (type == GNUTLS_SAN_DNSNAME) names.push_back(printable(text, size));
    if (type == GNUTLS_SAN_IPADDRESS && (size == 4 || size == 16))
      names.push_back(ip_text(text, size));
  }
  char name[kTextBytes] = {};
  std::size_t size = sizeof name;
  if (names.empty() && ::gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0,
                                                       0, name, &size) >= 0) {
    names.push_back(printable(name, size));
  }
  return names.empty() ? "nobody in particular" : fmt::format("{}", fmt::join(names, ", "));
}

std::string distinguished(int (*get)(gnutls_x509_crt_t, char*, std::size_t*),
                          gnutls_x509_crt_t certificate) {
  char text[kTextBytes] = {};
  std::size_t size = sizeof text;
  return get(certificate, text, &size) < 0 ? "?" : printable(text, size);
}

std::string signer_reason(gnutls_x509_crt_t certificate) {
  const std::string issuer = distinguished(::gnutls_x509_crt_get_issuer_dn, certificate);
  if (issuer == distinguished(::gnutls_x509_crt_get_dn, certificate)) {
    return fmt::format(
        "it is signed by itself ({}) and not known here; give that certificate as "
        "the authority's, or have it signed",
        issuer);
  }
  return fmt::format(
      "it is signed by an authority that is not known here ({}); give that one's "
      "certificate",
      issuer);
}

std::vector<std::string> reasons(unsigned status, gnutls_x509_crt_t certificate,
                                 bool peer_is_server, const std::string& expected_name) {
  std::vector<std::string> found;
  if ((status & GNUTLS_CERT_EXPIRED) != 0) {
    found.push_back(
        fmt::format("it, or its authority's, has expired; its own is valid until {}; "
                    "make a new one, or set the clock",
                    time_text(::gnutls_x509_crt_get_expiration_time(certificate))));
  }
  if ((status & GNUTLS_CERT_NOT_ACTIVATED) != 0) {
    found.push_back(fmt::format("it is valid from {} on; is the clock right?",
                                time_text(::gnutls_x509_crt_get_activation_time(certificate))));
  }
  if ((status & GNUTLS_CERT_SIGNER_NOT_FOUND) != 0) found.push_back(signer_reason(certificate));
  if ((status & GNUTLS_CERT_UNEXPECTED_OWNER) != 0) {
    found.push_back(
        fmt::format("it is for {}, not for {}; connect by that name, set the name that "
                    "is expected, or make one with it",
                    names_of(certificate), expected_name));
  }
  if ((status & GNUTLS_CERT_PURPOSE_MISMATCH) != 0) {
    found.push_back(fmt::format("it is not for a TLS {}; make one with that purpose ({})",
                                peer_is_server ? "server" : "client",
                                peer_is_server ? "tls_www_server" : "tls_www_client"));
  }
  return found;
}

std::string status_text(unsigned status) {
  gnutls_datum_t text{};
  if (::gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) < 0)
    return fmt::format("verification status {:#x}", status);
  std::string result(reinterpret_cast<const char*>(text.data), text.size);
  ::gnutls_free(text.data);
  return result;
}

gnutls_typed_vdata_st typed(gnutls_vdata_types_t type, const char* value) {
  // Read only, but GnuTLS has no type for that.
  return {type, reinterpret_cast<unsigned char*>(const_cast<char*>(value)), 0};
}

}  // namespace

Status verify_peer_certificate(gnutls_session_int* session, bool peer_is_server,
                               const std::string& expected_name) {
  const Certificate certificate = own_certificate(session);
  if (!certificate) {
    return fail(Code::kUnavailable, std::string(kNoCertificate));
  }
  gnutls_typed_vdata_st wanted[2] = {
      typed(GNUTLS_DT_KEY_PURPOSE_OID,
            peer_is_server ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT),
      typed(GNUTLS_DT_DNS_HOSTNAME, expected_name.c_str())};
  unsigned status = 0;
  const int result =
      ::gnutls_certificate_verify_peers(session, wanted, peer_is_server ? 2 : 1, &status);
  if (result < 0) {
    return fail(Code::kUnavailable, fmt::format("the peer's certificate cannot be verified: {}",
                                                ::gnutls_strerror(result)));
  }
  if (status == 0) return {};
  std::vector<std::string> why = reasons(status, certificate.get(), peer_is_server, expected_name);
  if (why.empty()) why.push_back(status_text(status));
  return fail(Code::kUnavailable,
              fmt::format("the certificate of the peer ({}) is not taken: {}",
                          distinguished(::gnutls_x509_crt_get_dn, certificate.get()),
                          fmt::join(why, "; ")));
}

}  // namespace tlog::net
