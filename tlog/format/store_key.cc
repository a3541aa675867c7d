#include <fmt/format.h>

#include "tlog/format/metadata.h"

namespace tlog::format {

std::string shard_key(std::string_view vdisk, Epoch epoch, AggregationNumber number) {
  return fmt::format("tlog:{}:{}:{:016x}", vdisk, epoch, number);
}

std::string metadata_key(std::string_view vdisk) {
  return fmt::format("tlog:{}:meta", vdisk);
}

std::string index_page_key(std::string_view vdisk, std::uint64_t page) {
  return fmt::format("tlog:{}:page:{:016x}", vdisk, page);
}

std::string key_prefix(std::string_view vdisk) {
  return fmt::format("tlog:{}:", vdisk);
}

}  // namespace tlog::format
