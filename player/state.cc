#include "player/state.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

namespace tlog::player {

namespace {

constexpr std::size_t kStateBytesMax = 64 * kKiB;
constexpr int kStateVersion = 1;

bool parse_hash(std::string_view text, Hash256& hash) {
  if (text.size() != 2 * hash.bytes.size()) return false;
  for (std::size_t i = 0; i < hash.bytes.size(); ++i) {
    const char* digits = text.data() + 2 * i;
    auto [end, status] = std::from_chars(digits, digits + 2, hash.bytes[i], 16);
    if (status != std::errc() || end != digits + 2) return false;
  }
  return true;
}

std::optional<RestoreProbe> probe_in(const nlohmann::json& json, const char* name) {
  const auto probe = json.find(name);
  if (probe == json.end()) return std::nullopt;
  return RestoreProbe{probe->at("offset").get<std::uint64_t>(),
                      probe->at("length").get<std::uint32_t>(),
                      probe->at("crc32c").get<std::uint32_t>()};
}

nlohmann::ordered_json as_json(const RestoreProbe& probe) {
  return {{"offset", probe.offset}, {"length", probe.length}, {"crc32c", probe.crc32c}};
}

Error unreadable(const std::string& path, std::string_view reason) {
  return Error(Code::kInvalidArgument,
               fmt::format("resume: {}: {}; remove this file to begin anew", path, reason));
}

}  // namespace

Result<RestoreState> load_state(io::FileSystem& files, const std::string& path) {
  TLOG_ASSIGN(std::string text, io::read_file(files, path, kStateBytesMax));
  auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return fail(unreadable(path, "not a restore's state"));
  RestoreState state;
  try {
    if (json.at("version").get<int>() != kStateVersion) {
      return fail(unreadable(path, "written by another version of tlogplay"));
    }
    TLOG_ASSIGN(state.vdisk, Uuid::parse(json.at("vdisk").get<std::string>()));
    state.target = json.at("target").get<std::string>();
    state.until = json.at("until").get<Sequence>();
    state.number = json.at("number").get<AggregationNumber>();
    state.epoch = json.at("epoch").get<Epoch>();
    state.records = json.at("records").get<std::uint64_t>();
    state.bytes = json.at("bytes").get<std::uint64_t>();
    state.sequence = json.at("sequence").get<Sequence>();
    state.time = json.at("time").get<TimestampNs>();
    state.probe = probe_in(json, "probe");
    state.next_probe = probe_in(json, "next_probe");
    state.follows = json.value("follows", false);
    state.stamp = json.value("stamp", "");
    if (!parse_hash(json.at("hash").get<std::string>(), state.hash)) {
      return fail(unreadable(path, "the hash is not one"));
    }
  } catch (const nlohmann::json::exception& error) {
    return fail(unreadable(path, error.what()));
  }
  return state;
}

Status save_state(io::FileSystem& files, const std::string& path, const RestoreState& state) {
  nlohmann::ordered_json json = {
      {"version", kStateVersion},   {"vdisk", state.vdisk.text()}, {"target", state.target},
      {"until", state.until},       {"number", state.number},      {"epoch", state.epoch},
      {"hash", state.hash.hex()},   {"records", state.records},    {"bytes", state.bytes},
      {"sequence", state.sequence}, {"time", state.time},
  };
  if (state.probe) json["probe"] = as_json(*state.probe);
  if (state.next_probe) json["next_probe"] = as_json(*state.next_probe);
  if (state.follows) json["follows"] = true;
  if (!state.stamp.empty()) json["stamp"] = state.stamp;
  // Target names come from the command line and need not be UTF-8.
  std::string text =
      json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  return io::write_file_atomically(files, path, bytes_of(std::string_view(text)));
}

}  // namespace tlog::player
