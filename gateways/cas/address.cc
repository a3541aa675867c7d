#include "gateways/cas/address.h"

#include <fmt/format.h>
#include <sodium.h>

#include <array>

namespace tlog::cas {
namespace {

constexpr std::string_view kBlake2b256("\xa0\xe4\x02\x20", 4);

}  // namespace

std::string digest_of(std::string_view content) {
  std::array<unsigned char, kDigestBytes> digest{};
  crypto_generichash(digest.data(), digest.size(),
                     reinterpret_cast<const unsigned char*>(content.data()), content.size(),
                     nullptr, 0);
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Address address_of(std::string_view content) {
  return std::string(kBlake2b256) + digest_of(content);
}

std::string_view digest_in(std::string_view address) {
  return address.substr(address.size() - kDigestBytes);
}

bool is_multihash(std::string_view address) {
  return address.size() == kBlake2b256.size() + kDigestBytes && address.starts_with(kBlake2b256);
}

bool may_be_of(std::string_view address, std::string_view content) {
  return !is_multihash(address) || address == address_of(content);
}

std::string printable(std::string_view text) {
  std::string shown(text);
  for (char& byte : shown) {
    const auto value = static_cast<unsigned char>(byte);
    if (value < 0x20 || value == 0x7f || value == 0xc2) byte = '?';
  }
  return shown;
}

std::string text_of(std::string_view address) {
  std::string text;
  for (const char byte : address) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

}  // namespace tlog::cas
