// File: tlog/blocks/cluster_layout.h
// Where the blocks of a vdisk are on N redis-protocol servers, and what each server says of itself.
// Block i is on server i modulo N, in one hash per vdisk and server, under its index in decimal
// digits; a block of zeros is not there. The hash's other fields are the server's record
// (docs/format.md, "Blocks on a cluster"). Threading: values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tlog/base/types.h"
#include "tlog/store/resp_reply.h"

namespace tlog::blocks {

struct ClusterLayout {
  std::string vdisk;
  Uuid uuid;
  std::uint64_t size = 0;
  std::uint32_t block_size = 4096;
  std::size_t servers = 1;

  std::uint64_t blocks() const { return (size + block_size - 1) / block_size; }
  std::size_t server_of(std::uint64_t index) const { return index % servers; }
  // Bytes of the vdisk in a block; the last one may have fewer. Stored is always a whole block.
  std::uint32_t bytes_of_block(std::uint64_t index) const;
  std::string key() const;
  // What the field `id` of server number `server` must say: this very part of this very vdisk.
  std::string id_of(std::size_t server) const;
};

inline constexpr std::string_view kIdField = "id";
inline constexpr std::string_view kAppliedField = "applied";
inline constexpr std::string_view kWriterField = "writer";
inline constexpr std::string_view kApplyingField = "applying";
// What a follower has said of the log that it follows, see FollowStep::chain.
inline constexpr std::string_view kChainField = "chain";

// How far the changes of the records have come on a server, and by which epoch's writer.
struct Applied {
  Sequence sequence = 0;
  Epoch epoch = 0;
  friend bool operator==(const Applied&, const Applied&) = default;
};
std::string applied_text(const Applied& applied);
Result<Applied> parse_applied(std::string_view text);

// The fields id, applied, writer and applying, as HMGET answers them at the beginning of its list.
struct ServerRecord {
  std::optional<std::string> id;
  Applied applied;
  Epoch writer = 0;
  // No change of a later record has ever been sent there; said before the first one of a batch.
  // Absent: written by a version that did not say so.
  std::optional<Applied> applying;
};
inline constexpr std::size_t kRecordFields = 4;
// kCorruption: it is no such answer.
Result<ServerRecord> parse_record(const store::RespReply& reply);

// How far the changes that may be among the blocks reach: behind `applied` when a batch was cut
// short. Null when nobody knows: every writer since this was there says `applying` with its own
// epoch as soon as it is connected, and the last one, of epoch `last_writer`, has not.
std::optional<Sequence> reach_of(const ServerRecord& record, Epoch last_writer);

// A takeover: sequences from here on that were sent before this epoch are not the vdisk's. Their
// writer's journal had them, and was lost before they were stored.
struct Fork {
  Epoch epoch = 0;
  Sequence first_sequence = 0;
};
// Whether such changes may be among the blocks, of which then none can be told from the others.
bool is_forked_off(const ServerRecord& record, Epoch last_writer, const std::vector<Fork>& forks);

// Whether `id` is of this part of this vdisk; kInvalidArgument says what else it is.
Status check_id(const ClusterLayout& layout, std::size_t server, const std::string& id);

}  // namespace tlog::blocks
