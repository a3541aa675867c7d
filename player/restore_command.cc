#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "player/commands.h"
#include "player/time_point.h"

namespace tlog::player {

namespace {

nlohmann::ordered_json as_json(const ScanSummary& scan) {
  nlohmann::ordered_json json = {{"uuid", scan.uuid},
                                 {"shards", scan.shards},
                                 {"shards_of_others", scan.other_shards},
                                 {"damaged", scan.rotten},
                                 {"misplaced", scan.misplaced},
                                 {"copies", scan.copies},
                                 {"foreign_files", scan.foreign},
                                 {"unreadable", scan.unreadable},
                                 {"aggregations", scan.aggregations},
                                 {"superseded", scan.superseded},
                                 {"unfinished", scan.unfinished},
                                 {"epochs", scan.epochs}};
  json["gaps"] = nlohmann::ordered_json::array();
  for (const auto& [first, last] : scan.gaps) {
    json["gaps"].push_back({{"first", first}, {"last", last}});
  }
  return json;
}

}  // namespace

int tell_restored(Output& output, const std::string& vdisk, const std::string& target,
                  const RestoreOptions& options, const RestoreReport& report,
                  const ScanSummary* scan) {
  double rate =
      report.seconds > 0 ? static_cast<double>(report.bytes_now) / 1e6 / report.seconds : 0;
  if (!report.damage.empty()) {
    output.warning(
        fmt::format("the log is damaged: {}; {} holds what is before the damage only: "
                    "everything up to sequence {}",
                    report.damage, options.dry_run ? "the target would" : target, report.sequence));
  }
  if (report.shards_bad > 0) {
    output.warning(
        fmt::format("{} shards were missing or wrong and were worked around", report.shards_bad));
  }
  if (output.json()) {
    nlohmann::ordered_json json = {{"vdisk", vdisk},
                                   {"target", target},
                                   {"target_is", report.target},
                                   {"dry_run", options.dry_run},
                                   {"aggregations", report.aggregations},
                                   {"records", report.records},
                                   {"bytes", report.bytes},
                                   {"sequence", report.sequence},
                                   {"time", format_time(report.time)},
                                   {"resumed_after", report.resumed_after},
                                   {"shards_worked_around", report.shards_bad},
                                   {"seconds", report.seconds},
                                   {"damaged", !report.damage.empty()}};
    if (!report.damage.empty()) json["damage"] = report.damage;
    if (scan != nullptr) json["scan"] = as_json(*scan);
    using Handler = nlohmann::ordered_json::error_handler_t;
    output.write(json.dump(2, ' ', false, Handler::replace) + "\n");
    return kExitOk;
  }
  if (options.dry_run) {
    output.write(fmt::format(
        "{} would be restored to {} ({}): {} records of {} aggregations, {}, to sequence {} at {}; "
        "nothing was changed\n",
        vdisk, target, report.target, report.records, report.aggregations,
        format_bytes(report.bytes), report.sequence, format_time(report.time)));
    return kExitOk;
  }
  std::string resumed;
  if (report.resumed_after != 0) {
    resumed = fmt::format(", continued after sequence {}", report.resumed_after);
  }
  output.write(
      fmt::format("{} restored to {}: {} records, {}, to sequence {} at {}, {:.1f} s, "
                  "{:.0f} MB/s{}\n",
                  vdisk, target, report.records, format_bytes(report.bytes), report.sequence,
                  format_time(report.time), report.seconds, rate, resumed));
  return kExitOk;
}

}  // namespace tlog::player
