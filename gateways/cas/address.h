// The address of a content: the multihash of its bytes, BLAKE2b-256 without a key (`a0 e4 02 20`
// and 32 bytes). So the same content has the same address wherever it is, and whoever gets it can
// tell whether it is the right one. An address of another service may be any bytes; only our own
// kind can be checked.
//
// Threading: pure functions.
// Source: https://multiformats.io/multihash, code 0xb220.
#pragma once

#include <string>
#include <string_view>

namespace tlog::cas {

using Address = std::string;  // bytes
inline constexpr std::size_t kDigestBytes = 32;

// The 32 bytes in it, BLAKE2b-256.
std::string digest_of(std::string_view content);
Address address_of(std::string_view content);
// Whether it is of our kind, so that is_of() can tell something.
bool is_multihash(std::string_view address);
// False only when the content is certainly not that of the address.
bool may_be_of(std::string_view address, std::string_view content);
// Its last 32 bytes; of one that is_multihash().
std::string_view digest_in(std::string_view address);
// Somebody else's text for people: what could move a cursor or begin a line is '?'.
std::string printable(std::string_view text);
// In hex, for people.
std::string text_of(std::string_view address);

}  // namespace tlog::cas
