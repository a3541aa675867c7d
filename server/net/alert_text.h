// File: server/net/alert_text.h
// What a peer's TLS alert, or a failure of ours, means, and what to do.
// Threading: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace tlog::net {

// A GnuTLS client sends none rather than one whose signer the server has not named.
constexpr std::string_view kNoCertificate =
    "the peer has no certificate that an authority known here has signed, and peers are verified; "
    "give it one, or give this side that authority's";

std::string alert_text(int alert, bool uses_psk);
std::string failure_text(int gnutls_error, bool uses_psk);

}  // namespace tlog::net
