// Wish: what a Hello asks for, checked and completed with what the server has of its own.
// Threading: pure functions. Errors: what the Refusal says, with the remedy.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "server/protocol/message.h"
#include "server/serve/server.h"

namespace tlog::server {

struct Wish {
  std::uint16_t version = 0;
  protocol::Hello hello;        // without the key; k, m and block size filled in
  protocol::Settings settings;  // in force
  std::shared_ptr<const seal::MasterKey> key;
  std::string client;  // as it calls itself, printable
  std::string peer;
};
Result<Wish> read_hello(protocol::Hello hello, const ServerOptions& options, bool is_private,
                        const std::string& peer);

// What a client calls something, fit for a line of text.
std::string printable(std::string_view text);

// Body of a records frame, at most: several of them have room in a session's memory.
std::uint64_t batch_bytes_max(const ServerOptions& options);

// Whether a writer that wants `wanted` may have the log that is `found`: what it leaves open fits.
Status check_format(const format::VdiskFormat& wanted, const format::VdiskFormat& found);

}  // namespace tlog::server
