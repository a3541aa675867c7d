// File: server/net/peer_certificate.h
// Whether the peer's certificate is taken: chain, time, name, purpose.
// Threading: the session's.
// Errors: kUnavailable naming all that is wrong with it, and the remedy of each.
#pragma once

#include <string>

#include "tlog/base/types.h"

struct gnutls_session_int;

namespace tlog::net {

// `expected_name`: of a server; a host's name or its address.
Status verify_peer_certificate(gnutls_session_int* session, bool peer_is_server,
                               const std::string& expected_name);

}  // namespace tlog::net
