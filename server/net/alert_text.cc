#include "server/net/alert_text.h"

#include <fmt/format.h>
#include <gnutls/gnutls.h>

namespace tlog::net {
namespace {

constexpr std::string_view kOneWay =
    "do both sides use certificates, or both a psk file, and TLS 1.2 or 1.3?";
constexpr std::string_view kPskRemedy =
    "the identity and its key must be the same in both sides' psk files";

std::string_view alert_remedy(int alert, bool uses_psk) {
  switch (alert) {
    case GNUTLS_A_CERTIFICATE_REQUIRED:
      return "it verifies its peers: give this side a certificate that an authority it knows has "
             "signed, and the key";
    case GNUTLS_A_UNKNOWN_CA:
      return "it does not know who signed this side's certificate: give it that authority's";
    case GNUTLS_A_CERTIFICATE_EXPIRED:
      return "this side's certificate has expired, or a clock is wrong";
    case GNUTLS_A_BAD_CERTIFICATE:
    case GNUTLS_A_UNSUPPORTED_CERTIFICATE:
    case GNUTLS_A_CERTIFICATE_REVOKED:
    case GNUTLS_A_CERTIFICATE_UNKNOWN:
      return "it does not take this side's certificate; its log says why";
    case GNUTLS_A_UNKNOWN_PSK_IDENTITY:
    case GNUTLS_A_DECRYPT_ERROR:
    case GNUTLS_A_ILLEGAL_PARAMETER:
      return uses_psk ? kPskRemedy : "its log says why";
    default:
      return uses_psk ? kPskRemedy : kOneWay;
  }
}

}  // namespace

std::string alert_text(int alert, bool uses_psk) {
  const char* name = ::gnutls_alert_get_name(static_cast<gnutls_alert_description_t>(alert));
  return fmt::format("the peer refused: {}; {}", name == nullptr ? "unknown alert" : name,
                     alert_remedy(alert, uses_psk));
}

std::string failure_text(int gnutls_error, bool uses_psk) {
  switch (gnutls_error) {
    case GNUTLS_E_PREMATURE_TERMINATION:
      return "the connection ended without TLS's end: the peer died, speaks no TLS, or somebody in "
             "between has cut it";
    case GNUTLS_E_NO_CERTIFICATE_FOUND:
    case GNUTLS_E_CERTIFICATE_REQUIRED:
      return std::string(kNoCertificate);
    case GNUTLS_E_REHANDSHAKE:
      return "the peer wants to negotiate anew, which is not done here";
    case GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER:
    case GNUTLS_E_DECRYPTION_FAILED:
      if (!uses_psk) break;
      return fmt::format("wrong pre-shared key: {}", kPskRemedy);
    case GNUTLS_E_INSUFFICIENT_CREDENTIALS:
    case GNUTLS_E_NO_CIPHER_SUITES:
    case GNUTLS_E_NO_COMMON_KEY_SHARE:
    case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
    case GNUTLS_E_MISSING_EXTENSION:
      return fmt::format("nothing in common with the peer ({}); {}",
                         ::gnutls_strerror(gnutls_error), uses_psk ? kPskRemedy : kOneWay);
    default:
      break;
  }
  return ::gnutls_strerror(gnutls_error);
}

}  // namespace tlog::net
