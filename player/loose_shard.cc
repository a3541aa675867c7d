#include "player/loose_shard.h"

#include <fmt/format.h>

#include <charconv>

namespace tlog::player {

namespace {

constexpr std::string_view kSuffix = ".tlogshard";
constexpr unsigned kFolderBits = 12;  // 4096 aggregations

// Takes the part behind the last dot off `name`.
std::optional<std::string_view> take_part(std::string_view& name) {
  auto dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return std::nullopt;
  std::string_view part = name.substr(dot + 1);
  name = name.substr(0, dot);
  return part;
}

template <class T>
bool parse_number(const std::optional<std::string_view>& text, T& value, int base = 10) {
  if (!text) return false;
  const char* end = text->data() + text->size();
  auto parsed = std::from_chars(text->data(), end, value, base);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

}  // namespace

std::string loose_shard_name(const LooseShard& shard) {
  return fmt::format("{}.{}.{}.{:016x}.{}{}", shard.vdisk, shard.uuid.text(), shard.epoch,
                     shard.number, shard.index, kSuffix);
}

std::optional<LooseShard> parse_loose_shard_name(std::string_view name) {
  if (!name.ends_with(kSuffix)) return std::nullopt;
  std::string_view rest = name.substr(0, name.size() - kSuffix.size());
  LooseShard shard;
  if (!parse_number(take_part(rest), shard.index)) return std::nullopt;
  if (!parse_number(take_part(rest), shard.number, 16)) return std::nullopt;
  if (!parse_number(take_part(rest), shard.epoch)) return std::nullopt;
  auto uuid = take_part(rest);
  if (!uuid) return std::nullopt;
  auto parsed = Uuid::parse(*uuid);
  if (!parsed) return std::nullopt;
  shard.uuid = *parsed;
  shard.vdisk = rest;
  if (loose_shard_name(shard) != name) return std::nullopt;
  return shard;
}

std::string loose_shard_folder(const LooseShard& shard) {
  return fmt::format("{}/{:013x}", shard.vdisk, shard.number >> kFolderBits);
}

}  // namespace tlog::player
