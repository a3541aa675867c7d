#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "player/commands.h"
#include "player/time_point.h"

namespace tlog::player {

namespace {

using Json = nlohmann::ordered_json;

struct Found {
  Range range;
  std::vector<Mark> marks;
  std::uint64_t log_bytes = 0;     // opened
  std::uint64_t stored_bytes = 0;  // read from the stores
  std::uint64_t shards_bad = 0;
  std::optional<Error> damage;  // that ended the search for marks
};

std::string hex_of(const std::vector<std::uint8_t>& bytes) {
  return to_hex(std::as_bytes(std::span(bytes)));
}

Status look(CommandContext& context, const InfoOptions& options, Found& found) {
  TLOG_ASSIGN(found.range, reachable_range(context.reader));
  if (!options.marks) return {};
  context.progress.begin("reading", found.range.last_sequence, 0);
  auto watch = [&](const walk::Visited& visited) {
    found.log_bytes += visited.opened.plaintext.size();
    found.stored_bytes += visited.stored_bytes;
    found.shards_bad += visited.shards_bad;
    context.progress.update(visited.opened.aggregation.header.last_sequence, found.log_bytes);
    return !context.stop.load();
  };
  Status searched = find_marks(context.reader, watch, found.marks);
  if (!searched && searched.error().code() != Code::kCorruption) return searched;
  if (!searched) found.damage = searched.error();
  context.progress.complete(found.log_bytes);
  return {};
}

Json as_json(const CommandContext& context, const Found& found, bool walked) {
  const format::Metadata& metadata = context.reader.metadata();
  const walk::LogHead& head = context.reader.head();
  const format::VdiskFormat& vdisk = metadata.format;
  Json json = {{"vdisk", vdisk.name},
               {"uuid", vdisk.vdisk.text()},
               {"size", vdisk.size},
               {"block_size", vdisk.block_size},
               {"data_shards", vdisk.data_shards},
               {"parity_shards", vdisk.parity_shards},
               {"key_id", hex_of(metadata.key_id)},
               {"aggregations", head.number},
               {"head_hash", head.hash.hex()},
               {"unusable_stores", context.unusable_stores}};
  if (found.range.empty()) {
    json["range"] = nullptr;
  } else {
    json["range"] = {{"first_sequence", found.range.first_sequence},
                     {"last_sequence", found.range.last_sequence},
                     {"first_time", format_time(found.range.first_time)},
                     {"last_time", format_time(found.range.last_time)}};
  }
  json["epochs"] = Json::array();
  for (const format::EpochEntry& epoch : metadata.epochs) {
    json["epochs"].push_back({{"epoch", epoch.epoch},
                              {"started", format_time(epoch.started)},
                              {"first_aggregation", epoch.first_number},
                              {"first_sequence", epoch.first_sequence},
                              {"writer", epoch.writer}});
  }
  if (context.striped) {
    json["stripes"] = Json::array();
    for (const StripeEnd& end : context.striped->ends()) {
      json["stripes"].push_back({{"name", end.name},
                                 {"has_log", end.has_log},
                                 {"records", end.records},
                                 {"aggregations", end.aggregations},
                                 {"last_sequence", end.last},
                                 {"epoch", end.epoch}});
    }
  }
  if (!walked) return json;
  json["marks"] = Json::array();
  for (const Mark& mark : found.marks) {
    json["marks"].push_back(
        {{"name", mark.name}, {"sequence", mark.sequence}, {"time", format_time(mark.time)}});
  }
  json["log_bytes"] = found.log_bytes;
  json["shards_worked_around"] = found.shards_bad;
  if (found.damage) json["damage"] = found.damage->message();
  return json;
}

std::string as_text(const CommandContext& context, const Found& found, bool walked) {
  const format::Metadata& metadata = context.reader.metadata();
  const walk::LogHead& head = context.reader.head();
  const format::VdiskFormat& vdisk = metadata.format;
  std::string text;
  auto line = [&](std::string_view name, const std::string& value) {
    text += fmt::format("{:<13}{}\n", name, value);
  };
  line("vdisk", fmt::format("{} ({})", vdisk.name, vdisk.vdisk.text()));
  line("size", fmt::format("{} ({} bytes), blocks of {}", format_bytes(vdisk.size), vdisk.size,
                           vdisk.block_size));
  line("shards", fmt::format("{} data + {} parity", vdisk.data_shards, vdisk.parity_shards));
  line("key id", hex_of(metadata.key_id));
  line(context.striped ? "units" : "aggregations", fmt::format("{}", head.number));
  if (context.striped) {
    for (const StripeEnd& end : context.striped->ends()) {
      line("stripe", end.has_log
                         ? fmt::format("{}: {} records of {} aggregations, up to sequence "
                                       "{}, epoch {}",
                                       end.name, end.records, end.aggregations, end.last, end.epoch)
                         : end.name + ": no log");
    }
  }
  if (walked) line("log", format_bytes(found.log_bytes));
  line("reachable", found.range.empty() ? "nothing: the log is empty" : describe(found.range));
  for (const format::EpochEntry& epoch : metadata.epochs) {
    line("epoch", fmt::format("{} from {}, aggregation {}, sequence {}, by {}", epoch.epoch,
                              format_time(epoch.started), epoch.first_number, epoch.first_sequence,
                              epoch.writer));
  }
  for (const Mark& mark : found.marks) {
    line("mark",
         fmt::format("{} at sequence {}, {}", mark.name, mark.sequence, format_time(mark.time)));
  }
  if (walked && found.marks.empty()) line("marks", "none");
  return text;
}

}  // namespace

int show_info(CommandContext& context, const InfoOptions& options) {
  Found found;
  if (Status looked = look(context, options, found); !looked) {
    return context.output.failed(looked.error());
  }
  if (context.output.json()) {
    Json json = as_json(context, found, options.marks);
    context.output.write(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  } else {
    context.output.write(as_text(context, found, options.marks));
  }
  if (found.damage) {
    context.output.warning("the log is damaged, marks after this are not listed: " +
                           found.damage->message());
    return kExitCorruption;
  }
  if (found.shards_bad > 0) {
    context.output.warning(
        fmt::format("{} shards were missing or wrong and were worked around", found.shards_bad));
  }
  return kExitOk;
}

}  // namespace tlog::player
