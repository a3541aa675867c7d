#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "player/commands.h"
#include "player/time_point.h"

namespace tlog::player {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kListedMax = 1000;  // aggregations that are named one by one

struct Weak {
  AggregationNumber number = 0;
  unsigned shards = 0;
};

struct Verified {
  AggregationNumber number = 0;  // the last that is good
  Sequence sequence = 0;
  TimestampNs time = 0;
  std::uint64_t aggregations = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::uint64_t shards_bad = 0;
  std::uint64_t weak_aggregations = 0;
  std::vector<Weak> weak;  // the first kListedMax
};

Status verify(CommandContext& context, Verified& verified) {
  if (context.reader.head().number == 0) return {};
  context.progress.begin("verifying", context.reader.head().sequence, 0);
  return context.reader.walk({}, [&](walk::Visited& visited) -> Result<bool> {
    if (context.stop.load()) return fail(Code::kShutdown, "verify: interrupted");
    const format::Aggregation& aggregation = visited.opened.aggregation;
    verified.number = aggregation.header.number;
    verified.sequence = aggregation.header.last_sequence;
    verified.time = aggregation.records.back().timestamp;
    verified.records += aggregation.records.size();
    verified.bytes += visited.opened.plaintext.size();
    ++verified.aggregations;
    if (visited.shards_bad > 0) {
      verified.shards_bad += visited.shards_bad;
      ++verified.weak_aggregations;
      if (verified.weak.size() < kListedMax) {
        verified.weak.push_back({verified.number, visited.shards_bad});
      }
    }
    context.progress.update(verified.sequence, verified.bytes);
    return true;
  });
}

// The first that is not whole. Of a striped log it may have been read in part.
AggregationNumber broken_number(const CommandContext& context, const Verified& verified) {
  return context.striped ? context.striped->unit_of(verified.sequence + 1) : verified.number + 1;
}

Json as_json(const CommandContext& context, const Verified& verified, double seconds,
             const Error* error) {
  Json json = {{"vdisk", context.reader.metadata().format.name},
               {"aggregations", verified.aggregations},
               {"records", verified.records},
               {"bytes", verified.bytes},
               {"last_sequence", verified.sequence},
               {"shards_worked_around", verified.shards_bad},
               {"weak_aggregations", verified.weak_aggregations},
               {"unusable_stores", context.unusable_stores},
               {"seconds", seconds},
               {"intact", error == nullptr}};
  json["weak"] = Json::array();
  for (const Weak& weak : verified.weak) {
    json["weak"].push_back({{"aggregation", weak.number}, {"shards", weak.shards}});
  }
  if (error) {
    json["error"] = {{"code", code_name(error->code())}, {"message", error->message()}};
    if (error->code() == Code::kCorruption) {
      json["error"]["aggregation"] = broken_number(context, verified);
      json["error"]["sequence"] = verified.sequence + 1;
    }
  }
  return json;
}

std::string as_text(const CommandContext& context, const Verified& verified, double seconds,
                    const Error* error) {
  std::string text;
  const std::string_view what = context.striped ? "unit" : "aggregation";
  for (const Weak& weak : verified.weak) {
    text += fmt::format("{} {}: {} shards missing or wrong, worked around\n", what, weak.number,
                        weak.shards);
  }
  if (verified.weak_aggregations > verified.weak.size()) {
    text += fmt::format("... and {} {}s more\n", verified.weak_aggregations - verified.weak.size(),
                        what);
  }
  if (error && error->code() == Code::kCorruption) {
    text += fmt::format("broken at {} {}, sequence {}\n", what, broken_number(context, verified),
                        verified.sequence + 1);
  }
  double rate = seconds > 0 ? static_cast<double>(verified.bytes) / 1e6 / seconds : 0;
  text += fmt::format(
      "{}: {} {}s, {} records, {} verified up to sequence {} in {:.1f} s ({:.0f} "
      "MB/s){}\n",
      context.reader.metadata().format.name, verified.aggregations, what, verified.records,
      format_bytes(verified.bytes), verified.sequence, seconds, rate,
      error ? "" : ": the log is intact");
  return text;
}

}  // namespace

int verify_log(CommandContext& context) {
  Verified verified;
  std::uint64_t began = context.clock.monotonic_ns();
  Status status = verify(context, verified);
  double seconds = static_cast<double>(context.clock.monotonic_ns() - began) / 1e9;
  const Error* error = status ? nullptr : &status.error();
  if (status) context.progress.complete(verified.bytes);
  context.progress.end();
  if (context.output.json()) {
    Json json = as_json(context, verified, seconds, error);
    context.output.write(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  } else {
    context.output.write(as_text(context, verified, seconds, error));
  }
  if (status) return kExitOk;
  context.output.warning(error->message());
  return exit_code_of(*error);
}

}  // namespace tlog::player
