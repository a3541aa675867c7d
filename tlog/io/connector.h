// File: tlog/io/connector.h
// Turns an address into a connected Socket on a loop.
// Threading: loop thread only.
#pragma once

#include "tlog/io/loop_base.h"

namespace tlog::io {

void connect_socket(LoopBase& loop, const std::string& address, std::uint64_t timeout_ns,
                    ConnectDone done);

// Takes over a connected, non-blocking descriptor.
std::unique_ptr<Socket> make_stream_socket(LoopBase& loop, int descriptor, std::string address);

}  // namespace tlog::io
