// Frame: how everything travels between a tlog client and a tlogserver (docs/protocol.md): a head
// of 16 bytes {magic "tlg1", type, flags, zeros, body length, CRC-32C of the 12 bytes before it},
// then the body. On the control socket a body is a Message (message.h), on the data socket a batch
// of records (batch.h) or, to begin with, a Message.
//
// Threading: values and pure functions.
// Errors: kCorruption naming what is wrong (magic, checksum, type, a length above the limit): the
// connection cannot be trusted any further. A length is checked before anything is allocated.
#pragma once

#include <array>

#include "tlog/base/types.h"

namespace tlog::protocol {

enum class FrameType : std::uint8_t { kMessage = 1, kRecords = 2 };

constexpr std::size_t kFrameHeadBytes = 16;
constexpr std::uint32_t kMessageBytesMax = 1 * kMiB;

struct FrameHead {
  FrameType type = FrameType::kMessage;
  std::uint32_t length = 0;  // of the body
};

std::array<std::byte, kFrameHeadBytes> encode_head(const FrameHead& head);
Result<FrameHead> decode_head(std::span<const std::byte, kFrameHeadBytes> bytes);

}  // namespace tlog::protocol
