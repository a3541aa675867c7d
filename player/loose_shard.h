// File: player/loose_shard.h
// Loose shard files, as `tlogplay export-shards` makes them: one stored shard each, byte for byte
// (docs/format.md, "Loose shards"). The name says what should be inside, for people and for
// ordering; who reads one believes the contents alone. Threading: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tlog/base/types.h"

namespace tlog::player {

struct LooseShard {
  std::string vdisk;  // the vdisk's name, which no shard contains
  Uuid uuid;
  Epoch epoch = 0;
  AggregationNumber number = 0;
  unsigned index = 0;
};

// "<vdisk>.<uuid>.<epoch>.<number>.<index>.tlogshard"
std::string loose_shard_name(const LooseShard& shard);
std::optional<LooseShard> parse_loose_shard_name(std::string_view name);
// Where an export puts it below its folder: so many files in one folder are no joy.
std::string loose_shard_folder(const LooseShard& shard);

}  // namespace tlog::player
