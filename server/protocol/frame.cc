#include "server/protocol/frame.h"

#include <fmt/format.h>

#include <cstring>

#include "server/protocol/batch.h"
#include "tlog/base/crc32c.h"

namespace tlog::protocol {
namespace {

constexpr std::string_view kMagic = "tlg1";
constexpr std::size_t kTypeAt = 4;
constexpr std::size_t kReservedAt = 5;  // one byte of flags, of which none are known yet, and two
constexpr std::size_t kLengthAt = 8;
constexpr std::size_t kChecksumAt = 12;
static_assert(kMagic.size() == kTypeAt && kChecksumAt + 4 == kFrameHeadBytes);
static_assert(kBatchFrameMax <= ~std::uint32_t{0});

std::uint32_t load_u32(const std::byte* from) {
  std::uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

std::uint64_t length_max(FrameType type) {
  return type == FrameType::kRecords ? kBatchFrameMax : kMessageBytesMax;
}

}  // namespace

std::array<std::byte, kFrameHeadBytes> encode_head(const FrameHead& head) {
  std::array<std::byte, kFrameHeadBytes> bytes{};
  std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
  bytes[kTypeAt] = static_cast<std::byte>(head.type);
  std::memcpy(bytes.data() + kLengthAt, &head.length, sizeof head.length);
  const std::uint32_t checksum = crc32c(std::span(bytes).first<kChecksumAt>());
  std::memcpy(bytes.data() + kChecksumAt, &checksum, sizeof checksum);
  return bytes;
}

Result<FrameHead> decode_head(std::span<const std::byte, kFrameHeadBytes> bytes) {
  if (std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    return fail(
        Code::kCorruption,
        fmt::format("frame: it begins with {}, not with \"{}\"; is the peer a tlogserver or "
                    "its client, and do both use TLS, or neither?",
                    to_hex(bytes.first<kTypeAt>()), kMagic));
  }
  if (crc32c(bytes.first<kChecksumAt>()) != load_u32(bytes.data() + kChecksumAt)) {
    return fail(Code::kCorruption, "frame: wrong checksum of its head");
  }
  const auto type = static_cast<FrameType>(bytes[kTypeAt]);
  if (type != FrameType::kMessage && type != FrameType::kRecords) {
    return fail(Code::kCorruption, fmt::format("frame: unknown type {}", unsigned(type)));
  }
  if (!all_zero(bytes.subspan<kReservedAt, kLengthAt - kReservedAt>())) {
    return fail(Code::kCorruption, "frame: reserved bytes are set");
  }
  const FrameHead head{.type = type, .length = load_u32(bytes.data() + kLengthAt)};
  if (head.length > length_max(type)) {
    return fail(Code::kCorruption, fmt::format("frame: a body of {} bytes, more than {}",
                                               head.length, length_max(type)));
  }
  return head;
}

}  // namespace tlog::protocol
