// File: server/net/foreign_bytes.h
// Says what a peer seems to speak when it does not speak what we do.
// Threading: a pure function.
#pragma once

#include <string>

#include "tlog/base/types.h"

namespace tlog::net {

// Of a connection's first bytes, which should have been a frame's head. "": nothing known.
std::string foreign_protocol(ConstByteSpan first_bytes);

// Of bytes that should have been TLS: whether they begin a frame.
bool is_plain_frame(ConstByteSpan first_bytes);

}  // namespace tlog::net
