// `tlogctl scrub` and `tlogctl repair`: begins a scrub in the server, follows it, tells the result.
#include <fmt/format.h>

#include <cstdio>

#include "ctl/control_socket.h"
#include "ctl/progress_line.h"
#include "ctl/reach.h"
#include "ctl/status_table.h"
#include "ctl/target.h"

namespace tlog::ctl {
namespace {

// Shards that a repair cannot bring back now are left to the server after this long without one.
constexpr std::uint64_t kNothingMendedMs = 30'000;

Result<control::VdiskReport> scrubbed_vdisk(Result<control::Reply> reply) {
  if (!reply) return fail(reply.error());
  if (reply->vdisks.empty())
    return fail(Code::kCorruption, "scrub: the server tells nothing of it");
  return std::move(reply->vdisks.front());
}

std::string scrub_progress(const control::VdiskReport& report) {
  return fmt::format("scrub {}: aggregation {} of {}, {} ", report.name, report.scrub_done,
                     report.scrub_last, human_bytes(report.scrub_bytes));
}

Result<control::VdiskReport> follow(const Place& place, control::VdiskReport report) {
  const std::uint64_t run = report.scrub_runs;
  while (report.scrub_running) {
    show_progress_line(scrub_progress(report));
    pause_before_look();
    TLOG_ASSIGN(report, scrubbed_vdisk(look(place, report.name)));
    if (report.scrub_runs != run) {
      end_progress_line();
      return fail(Code::kShutdown, fmt::format("scrub: {}: the server was started anew meanwhile; "
                                               "begin again",
                                               report.name));
    }
  }
  end_progress_line();
  return report;
}

// Until nothing is missing, or nothing moves.
Result<control::VdiskReport> follow_repair(const Place& place, control::VdiskReport report) {
  std::uint64_t since = control::monotonic_ms();
  while (report.missing_shards > 0 && control::monotonic_ms() - since < kNothingMendedMs) {
    const std::uint64_t before = report.missing_shards;
    pause_before_look();
    TLOG_ASSIGN(report, scrubbed_vdisk(look(place, report.name)));
    if (report.missing_shards < before) since = control::monotonic_ms();
  }
  return report;
}

std::string summary(const control::VdiskReport& report) {
  std::string text = fmt::format(
      "vdisk {}: {} shards of {} aggregations {}: {} missing, {} wrong, {} not reachable\n",
      report.name, report.scrub_checked, report.scrub_last,
      report.scrub_deep ? "read and checked" : "looked up", report.scrub_missing,
      report.scrub_wrong, report.scrub_unreachable);
  if (!report.scrub_finding.empty()) text += fmt::format("  first: {}\n", report.scrub_finding);
  return text;
}

Status verdict(const control::VdiskReport& report, bool repair) {
  if (report.scrub_done < report.scrub_last) {
    return fail(
        Code::kShutdown,
        fmt::format("scrub: {}: ended at aggregation {} of {}, the vdisk is being closed or "
                    "has failed; `tlogctl status {}` says why",
                    report.name, report.scrub_done, report.scrub_last, report.name));
  }
  const std::uint64_t bad = report.scrub_missing + report.scrub_wrong;
  if (bad > 0 && !repair) {
    return fail(Code::kCorruption,
                fmt::format("scrub: {}: {} shards are missing or wrong; `tlogctl repair {}{}` "
                            "makes them anew from the others",
                            report.name, bad, report.name, report.scrub_deep ? " --deep" : ""));
  }
  if (bad > 0 && report.missing_shards > 0) {
    return fail(Code::kCorruption,
                fmt::format("repair: {}: {} shards could not be brought back yet; the server goes "
                            "on trying, its log says why",
                            report.name, report.missing_shards));
  }
  if (report.scrub_unreachable > 0) {
    return fail(Code::kUnavailable,
                fmt::format("scrub: {}: {} shards could not be looked at, their stores do not "
                            "answer; `tlogctl status {}` names them",
                            report.name, report.scrub_unreachable, report.name));
  }
  return {};
}

}  // namespace

Status scrub(const Place& place, const ScrubCommand& command) {
  TLOG_ASSIGN(Target target, target_of(place, command.vdisk));
  control::Request request{.command = control::Command::kScrub,
                           .vdisk = target.vdisk,
                           .deep = command.deep,
                           .repair = command.repair,
                           .bytes_per_second = command.bytes_per_second};
  TLOG_ASSIGN(control::VdiskReport report,
              scrubbed_vdisk(ask_first(target.sockets, request, kAnswerMs)));
  if (!command.wait) {
    std::fputs(fmt::format("vdisk {}: a scrub of {} aggregations has begun; `tlogctl status` shows "
                           "how it goes\n",
                           report.name, report.scrub_last)
                   .c_str(),
               stdout);
    return {};
  }
  TLOG_ASSIGN(report, follow(place, std::move(report)));
  if (command.repair) {
    TLOG_ASSIGN(report, follow_repair(place, std::move(report)));
  }
  std::fputs((command.json ? control::reports_json({report}) : summary(report)).c_str(), stdout);
  return verdict(report, command.repair);
}

}  // namespace tlog::ctl
