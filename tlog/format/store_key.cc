#include <fmt/format.h>

#include <charconv>

#include "tlog/format/metadata.h"

namespace tlog::format {

std::string shard_key(std::string_view vdisk, Epoch epoch, AggregationNumber number) {
  return fmt::format("tlog:{}:{}:{:016x}", vdisk, epoch, number);
}

std::string metadata_key(std::string_view vdisk) {
  return fmt::format("tlog:{}:meta", vdisk);
}

std::string metadata_key(std::string_view vdisk, Epoch epoch) {
  if (epoch == 0) return metadata_key(vdisk);
  return fmt::format("tlog:{}:meta:{}", vdisk, epoch);
}

std::string index_page_key(std::string_view vdisk, std::uint64_t page) {
  return fmt::format("tlog:{}:page:{:016x}", vdisk, page);
}

std::string key_prefix(std::string_view vdisk) {
  return fmt::format("tlog:{}:", vdisk);
}

std::optional<ShardKey> parse_shard_key(std::string_view vdisk, std::string_view key) {
  const std::string prefix = key_prefix(vdisk);
  if (!key.starts_with(prefix)) return std::nullopt;
  ShardKey parsed;
  const char* end = key.data() + key.size();
  auto epoch = std::from_chars(key.data() + prefix.size(), end, parsed.epoch);
  if (epoch.ec != std::errc() || epoch.ptr == end || *epoch.ptr != ':') return std::nullopt;
  auto number = std::from_chars(epoch.ptr + 1, end, parsed.number, 16);
  if (number.ec != std::errc()) return std::nullopt;
  // One spelling only: leading zeros, capitals and whatever follows make it another key.
  if (shard_key(vdisk, parsed.epoch, parsed.number) != key) return std::nullopt;
  return parsed;
}

}  // namespace tlog::format
