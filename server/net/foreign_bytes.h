// File: server/net/foreign_bytes.h
// Says what a peer seems to speak when it does not speak what we do.
// Threading: a pure function.
#pragma once

#include <string>

#include "tlog/base/types.h"

namespace tlog::net {

// Of a connection's first bytes, which should have been a frame's head. "": nothing known.
std::string foreign_protocol(ConstByteSpan first_bytes);

bool is_plain_frame(ConstByteSpan first_bytes);

// Of a handshake, an alert or data; at least its first byte.
bool looks_like_tls(ConstByteSpan first_bytes);

}  // namespace tlog::net
