#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "player/commands.h"
#include "player/time_point.h"

namespace tlog::player {

namespace {

using Json = nlohmann::ordered_json;

std::string name_of(const format::Record& record) {
  if (record.operation != Operation::kMark) return "";
  std::string name;
  for (std::byte byte : record.data) name.push_back(static_cast<char>(byte));
  return name;
}

// Writes entries one by one, so that a long list needs no memory; in JSON they are the elements of
// one array.
class Lister {
 public:
  Lister(CommandContext& context, const ListOptions& options)
      : output_(context.output), stop_(context.stop), options_(options) {}

  void begin() {
    if (output_.json()) output_.write(fmt::format("{{\"{}\": [", kind()));
  }
  void end(const Error* error) {
    if (!output_.json()) return;
    std::string tail = "]";
    if (error) {
      Json json = {{"code", code_name(error->code())}, {"message", error->message()}};
      tail += ", \"error\": " + dump(json);
    }
    output_.write("\n" + tail + "}\n");
  }
  Result<bool> visit(const walk::Visited& visited) {
    if (stop_.load()) return fail(Code::kShutdown, "list: interrupted");
    const format::Aggregation& aggregation = visited.opened.aggregation;
    if (!options_.records) {
      put_aggregation(aggregation, visited);
      return count_ < options_.limit;
    }
    for (const format::Record& record : aggregation.records) {
      if (record.sequence < options_.from_sequence) continue;
      put_record(record, aggregation.header.number);
      if (count_ >= options_.limit) return false;
    }
    return true;
  }

 private:
  std::string_view kind() const { return options_.records ? "records" : "aggregations"; }
  static std::string dump(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  void put_json(const Json& json) {
    output_.write((count_ == 0 ? "\n  " : ",\n  ") + dump(json));
    ++count_;
  }
  void put_aggregation(const format::Aggregation& aggregation, const walk::Visited& visited) {
    const format::AggregationHeader& header = aggregation.header;
    TimestampNs first = aggregation.records.front().timestamp;
    TimestampNs last = aggregation.records.back().timestamp;
    std::size_t bytes = visited.opened.plaintext.size();
    if (output_.json()) {
      return put_json({{"number", header.number},
                       {"epoch", header.epoch},
                       {"first_sequence", header.first_sequence},
                       {"last_sequence", header.last_sequence},
                       {"first_time", format_time(first)},
                       {"last_time", format_time(last)},
                       {"records", aggregation.records.size()},
                       {"bytes", bytes},
                       {"hash", visited.opened.hash.hex()},
                       {"shards_worked_around", visited.shards_bad}});
    }
    if (count_++ == 0) {
      output_.write(fmt::format("{:>10} {:>6} {:>12} {:>12} {:>10}  {}\n", "number", "epoch",
                                "first", "last", "bytes", "times"));
    }
    output_.write(fmt::format("{:>10} {:>6} {:>12} {:>12} {:>10}  {} {}\n", header.number,
                              header.epoch, header.first_sequence, header.last_sequence, bytes,
                              format_time(first), format_time(last)));
  }
  void put_record(const format::Record& record, AggregationNumber number) {
    std::string name = name_of(record);
    if (output_.json()) {
      Json json = {{"sequence", record.sequence},
                   {"time", format_time(record.timestamp)},
                   {"operation", operation_name(record.operation)},
                   {"offset", record.offset},
                   {"size", record.size},
                   {"aggregation", number}};
      if (record.operation == Operation::kMark) json["name"] = name;
      return put_json(json);
    }
    if (count_++ == 0) {
      output_.write(fmt::format("{:>12} {:<8} {:>16} {:>12}  {}\n", "sequence", "what", "offset",
                                "size", "time"));
    }
    output_.write(fmt::format("{:>12} {:<8} {:>16} {:>12}  {}{}{}\n", record.sequence,
                              operation_name(record.operation), record.offset, record.size,
                              format_time(record.timestamp), name.empty() ? "" : "  ", name));
  }

  Output& output_;
  const std::atomic<bool>& stop_;
  const ListOptions options_;
  std::uint64_t count_ = 0;
};

Status list(CommandContext& context, const ListOptions& options, Lister& lister) {
  if (context.reader.head().number == 0 || options.limit == 0) return {};
  walk::WalkOptions how;
  if (options.from_sequence > 1) {
    TLOG_ASSIGN(how.first, context.reader.find_sequence(options.from_sequence));
  }
  return context.reader.walk(how, [&](walk::Visited& visited) { return lister.visit(visited); });
}

}  // namespace

int list_log(CommandContext& context, const ListOptions& options) {
  Lister lister(context, options);
  lister.begin();
  Status listed = list(context, options, lister);
  lister.end(listed ? nullptr : &listed.error());
  if (listed) return kExitOk;
  context.output.warning(listed.error().message());
  return exit_code_of(listed.error());
}

}  // namespace tlog::player
