// `tlogctl takeover`: no server is asked, because none serves the vdisk on this host yet.
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "ctl/commands.h"
#include "ctl/progress_line.h"
#include "ctl/status_table.h"
#include "ctl/target.h"
#include "tlog/session/engine.h"

namespace tlog::ctl {
namespace {

// Warnings and errors are told; what goes well is told by the command.
class StandardErrorLogger final : public Logger {
 public:
  void write(LogLevel level, std::string_view line) override {
    if (level < LogLevel::kWarning) return;
    std::fputs(fmt::format("tlogctl: {}\n", line).c_str(), stderr);
  }
};

void show_replayed(Sequence done, Sequence last) {
  if (last == 0) return;
  show_progress_line(fmt::format("block storage: {} % of the log ", done * 100 / last));
  if (done == last) end_progress_line();
}

std::string text_of(const TakeoverCommand& command, const config::Vdisk& vdisk,
                    const session::TakeoverReport& report) {
  std::string text = fmt::format(
      "vdisk {}: this host has it now, as epoch {}, with everything up to sequence {}{}\n",
      command.vdisk, report.epoch, report.sequence,
      report.timestamp == 0 ? "" : fmt::format(" ({})", utc_text(report.timestamp)));
  if (!report.from.empty()) text += fmt::format("  the writer before was {}\n", report.from);
  if (vdisk.tlog.durability == config::Durability::kJournal) {
    text +=
        "  durability: journal: what that host had acknowledged and not stored yet is not part of "
        "it\n";
  }
  if (vdisk.storage_file.empty()) {
    text += "  the servers of its block storage are brought up to date when it is served\n";
  }
  for (const std::string& aside : {report.journal_aside, report.storage_aside}) {
    if (!aside.empty()) {
      text += fmt::format("  moved aside: {}; remove it when nobody wants it any more\n", aside);
    }
  }
  return text + "  start its server now\n";
}

std::string json_of(const TakeoverCommand& command, const session::TakeoverReport& report) {
  nlohmann::ordered_json json;
  json["vdisk"] = command.vdisk;
  json["epoch"] = report.epoch;
  json["sequence"] = report.sequence;
  json["timestamp_ns"] = report.timestamp;
  json["writer_before"] = report.from;
  json["journal_moved_to"] = report.journal_aside;
  json["storage_moved_to"] = report.storage_aside;
  return json.dump(2) + "\n";
}

}  // namespace

Status takeover(const Place& place, const TakeoverCommand& command) {
  TLOG_ASSIGN(config::Config config, load_config(place));
  const config::Vdisk* configured = config.find_vdisk(command.vdisk);
  if (configured == nullptr) {
    return fail(Code::kNotFound,
                fmt::format("takeover: {}: there is no vdisk '{}'", config.path, command.vdisk));
  }
  const config::Vdisk vdisk = *configured;
  StandardErrorLogger logger;
  session::EngineOptions options;
  options.vdisks = {command.vdisk};
  TLOG_ASSIGN(auto engine, session::Engine::load(std::move(config), options,
                                                 session::system_environment(logger)));
  TLOG_TRY(engine->start());
  auto report =
      engine->take_over(command.vdisk, {.accept_loss = command.accept_loss}, show_replayed);
  engine->stop(0);
  if (!report) return fail(report.error());
  std::fputs((command.json ? json_of(command, *report) : text_of(command, vdisk, *report)).c_str(),
             stdout);
  return {};
}

}  // namespace tlog::ctl
