#include "tlog/seal/header.h"

#include <fmt/format.h>

#include "tlog/base/crc32c.h"
#include "tlog/base/limits.h"

namespace tlog::seal {
namespace {

constexpr std::string_view kMagic = "TLOGSEAL";
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kChecked = 72;  // bytes before the checksum

template <class T>
void put(SealedHeaderBytes& bytes, std::size_t at, const T& value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}
template <class T>
T get(const SealedHeaderBytes& bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

}  // namespace

SealedHeaderBytes encode_header(const SealedHeader& header) {
  SealedHeaderBytes bytes{};
  std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
  put(bytes, 8, kVersion);
  put(bytes, 10, static_cast<std::uint8_t>(header.cipher));
  put(bytes, 11, static_cast<std::uint8_t>(header.kind));
  put(bytes, 16, header.key_id.bytes);
  put(bytes, 32, header.salt);
  put(bytes, 64, header.plaintext_length);
  put(bytes, kChecked, crc32c(ConstByteSpan(bytes).first(kChecked)));
  return bytes;
}

Result<SealedHeader> decode_header(const SealedHeaderBytes& bytes) {
  if (std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0)
    return fail(Code::kCorruption, "wrong magic");
  if (get<std::uint32_t>(bytes, kChecked) != crc32c(ConstByteSpan(bytes).first(kChecked))) {
    return fail(Code::kCorruption, "wrong checksum of the header");
  }
  if (auto version = get<std::uint16_t>(bytes, 8); version > kVersion) {
    return fail(
        Code::kNotSupported,
        fmt::format("version {} is newer than this program's {}; upgrade", version, kVersion));
  }
  SealedHeader header;
  header.cipher = static_cast<Cipher>(get<std::uint8_t>(bytes, 10));
  header.kind = static_cast<SealedKind>(get<std::uint8_t>(bytes, 11));
  header.key_id.bytes = get<decltype(header.key_id.bytes)>(bytes, 16);
  header.salt = get<decltype(header.salt)>(bytes, 32);
  header.plaintext_length = get<std::uint64_t>(bytes, 64);
  if (!cipher_available(header.cipher)) {
    return fail(Code::kNotSupported,
                fmt::format("unknown cipher {}", static_cast<unsigned>(header.cipher)));
  }
  if (get<std::uint16_t>(bytes, 8) == 0 || get<std::uint32_t>(bytes, 12) != 0 ||
      get<std::uint32_t>(bytes, 76) != 0) {
    return fail(Code::kCorruption, "a reserved field is not zero");
  }
  if (header.plaintext_length > kSealedMax - kSealedHeaderBytes - kTagBytes) {
    return fail(Code::kCorruption, fmt::format("length {}", header.plaintext_length));
  }
  return header;
}

}  // namespace tlog::seal
