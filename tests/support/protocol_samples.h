// File: tests/support/protocol_samples.h
// One of each message between client and server, with a value in every field, and bodies of frames
// that can be changed and still have a right checksum.
#pragma once

#include <vector>

#include "server/protocol/batch.h"
#include "server/protocol/frame.h"
#include "server/protocol/message.h"
#include "tests/support/log_samples.h"
#include "tlog/base/crc32c.h"

namespace tlog::testing {

inline Uuid uuid_of(std::uint8_t byte) {
  Uuid uuid;
  uuid.bytes.fill(byte);
  return uuid;
}

inline protocol::Settings sample_settings() {
  return {.flush_size = 25, .flush_time_ns = 25'000'000'000, .write_quorum = 5, .slave_sync = true};
}

inline protocol::Hello sample_hello() {
  protocol::Hello hello{.version_min = 1,
                        .version_max = 1,
                        .role = protocol::Role::kWriter,
                        .client = "host-a:4711",
                        .journal = uuid_of(0x6a),
                        .format = sample_metadata().format,
                        .may_create = true,
                        .take_over = true,
                        .settings = sample_settings(),
                        .key = {}};
  for (std::uint8_t i = 0; i < protocol::kKeyBytes; ++i) hello.key.push_back(0xa0 + i);
  return hello;
}

inline protocol::Welcome sample_welcome() {
  protocol::Welcome welcome{.version = 1,
                            .server = uuid_of(0x51),
                            .session = uuid_of(0x52),
                            .log = uuid_of(0x53),
                            .format = sample_metadata().format,
                            .epoch = 12,
                            .stored = {.epoch = 11,
                                       .number = 40,
                                       .sequence = 1000,
                                       .timestamp = 1'700'000'000'000'000'000,
                                       .hash = {}},
                            .received = 1007,
                            .created = true,
                            .settings = sample_settings(),
                            .batch_bytes_max = 1 * kMiB,
                            .memory_bytes_max = 64 * kMiB};
  welcome.stored.hash.bytes.fill(0x5a);
  return welcome;
}

inline std::vector<protocol::Message> sample_messages() {
  using namespace protocol;
  return {
      sample_hello(),
      sample_welcome(),
      Refusal{.code = Code::kFenced, .reason = "vdisk vm1: host-b:12 writes it"},
      Attach{.session = uuid_of(0x52)},
      Attached{},
      Progress{.received = 1100, .stored = 1075, .synced = 1050},
      ForceFlush{.id = 21, .sequence = 1100},
      WaitSlaveSync{.id = 22, .timeout_ns = 30'000'000'000},
      StatusRequest{.id = 23},
      ReadLog{.id = 24, .first = 900, .last = 1000},
      Reply{.id = 22, .error = std::nullopt, .sequences = {1050, 1075}, .text = "{\"ok\": 1}"},
      Reply{.id = 24,
            .error = Error(Code::kNotFound, "read log: sequence 900 is not stored"),
            .sequences = {},
            .text = {}},
      Echo{
          .id = 25, .client_ns = 1'700'000'000'000'000'001, .server_ns = 1'700'000'000'000'000'002},
      Disconnect{.code = Code::kShutdown, .reason = "the server is stopped"}};
}

inline std::vector<std::byte> bytes_of_pieces(std::span<const ConstByteSpan> pieces) {
  std::vector<std::byte> bytes;
  for (ConstByteSpan piece : pieces) bytes.insert(bytes.end(), piece.begin(), piece.end());
  return bytes;
}

inline std::vector<std::byte> frame_of(protocol::FrameType type, ConstByteSpan body) {
  const auto head =
      protocol::encode_head({.type = type, .length = static_cast<std::uint32_t>(body.size())});
  const ConstByteSpan pieces[] = {head, body};
  return bytes_of_pieces(pieces);
}

// Puts the checksum at the end of a body right for its first `covered` bytes: of a message all but
// the checksum, of a batch the table.
inline void fix_body_checksum(ByteSpan body, std::size_t covered) {
  const std::uint32_t checksum = crc32c(body.first(covered));
  std::memcpy(body.data() + body.size() - sizeof checksum, &checksum, sizeof checksum);
}

}  // namespace tlog::testing
