// Contents: a content-addressed store and a name system, as REMOTE-LOG asks for them (CAS and NS).
// Whoever has it: a directory of this server, a vdisk's log, another service over gRPC.
//
// Threading: any thread; calls may wait for disks and networks.
// Durability: add() and update() have synced what they answered well for. A name moves at once from
// one content to the next: a reader sees one of them whole.
// Errors: kNotFound for an address or a name that is not there; kInvalidArgument for an empty or
// too long one; kNotSupported for a change that the caller may not make; kUnavailable and kTimeout
// when it may go well later; kCorruption for a content that is not that of its address.
#pragma once

#include <string>

#include "gateways/cas/address.h"
#include "tlog/base/result.h"

namespace tlog::cas {

// What gRPC takes by default, less what is around a content.
inline constexpr std::size_t kContentBytesMax = 4 * 1024 * 1024 - 64;
inline constexpr std::size_t kAddressBytesMax = 256;
inline constexpr std::size_t kNameBytesMax = 512;

class Contents {
 public:
  virtual ~Contents() = default;
  // The same content again is no error, and has the same address.
  virtual Result<Address> add(std::string_view content) = 0;
  virtual Result<std::string> get(const Address& address) = 0;
  virtual Status update(const std::string& name, std::string_view content) = 0;
  virtual Result<std::string> fetch(const std::string& name) = 0;
};

}  // namespace tlog::cas
