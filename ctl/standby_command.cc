// `tlogctl wait-slave-sync`, `failover`, `failback` and `resync`.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <tuple>

#include "ctl/control_socket.h"
#include "ctl/progress_line.h"
#include "ctl/reach.h"
#include "ctl/standby_text.h"
#include "ctl/status_table.h"
#include "ctl/target.h"

namespace tlog::ctl {
namespace {

using Json = nlohmann::ordered_json;
using control::StandbyReport;
using control::VdiskReport;

// For a failover after its wait: to record it in the log's stores, to switch and to apply.
constexpr std::uint64_t kSwitchMs = 120'000;
// For a resync that has just begun to leave the state it began in.
constexpr std::uint64_t kSettleMs = 3'000;

void print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
}

std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Of a vdisk that has a standby.
Result<VdiskReport> followed_vdisk(Result<control::Reply> reply, std::string_view operation) {
  if (!reply) return fail(reply.error());
  if (reply->vdisks.empty()) {
    return fail(Code::kCorruption,
                fmt::format("{}: the server tells nothing of the vdisk", operation));
  }
  VdiskReport report = std::move(reply->vdisks.front());
  if (report.standby) return report;
  return fail(Code::kNotSupported,
              fmt::format("{}: {}: {}", operation, report.name,
                          report.state == "closed"
                              ? "nobody has opened it since the server started; connect a client"
                              : "it has no standby; give it one with slaveStorage"));
}

// `failback` is the way back to the vdisk's own cluster.
Status check_failback(const Place& place, const std::string& vdisk) {
  TLOG_ASSIGN(const VdiskReport report, followed_vdisk(look(place, vdisk), "failback"));
  if (report.standby->primary.empty() || report.standby->active != report.standby->primary) {
    return {};
  }
  return fail(Code::kInvalidArgument,
              fmt::format("failback: {}: it is on its own cluster '{}' already; `tlogctl failover "
                          "{}` goes over to the standby",
                          vdisk, report.standby->active, vdisk));
}

std::string resync_progress(const VdiskReport& report) {
  const StandbyReport& standby = *report.standby;
  const std::uint64_t percent =
      report.stored == 0
          ? 0
          : std::min<std::uint64_t>(100, standby.synced.sequence * 100 / report.stored);
  return fmt::format("resync {}: {}, sequence {} of {} ({} %), {}{}{} ", report.name, standby.state,
                     standby.synced.sequence, report.stored, percent,
                     human_bytes(standby.applied_bytes), standby.reason.empty() ? "" : "; ",
                     standby.reason);
}

// What moves while a standby catches up.
auto moving_parts(const VdiskReport& report) {
  return std::tuple(report.standby->state, report.standby->synced.sequence,
                    report.standby->applied_bytes);
}

// Until the standby is in sync, will not be, or nothing moves any more.
Result<VdiskReport> follow(const Place& place, VdiskReport report, std::uint64_t patience_ms) {
  std::uint64_t since = control::monotonic_ms();
  while (report.standby->state != "in sync") {
    const StandbyReport& standby = *report.standby;
    const std::uint64_t still_ms = control::monotonic_ms() - since;
    if (standby.state == "diverged" && still_ms >= std::min(patience_ms, kSettleMs)) {
      return fail(Code::kUnavailable,
                  fmt::format("resync: {}: diverged: {}", report.name, standby.reason));
    }
    if (still_ms >= patience_ms) {
      return fail(
          Code::kTimeout,
          fmt::format("resync: {}: nothing moves, the standby is {} at sequence {} of {}{}{}"
                      "; the server goes on trying, `tlogctl status {}` shows how it goes",
                      report.name, standby.state, standby.synced.sequence, report.stored,
                      standby.reason.empty() ? "" : ": ", standby.reason, report.name));
    }
    show_progress_line(resync_progress(report));
    pause_before_look();
    const auto before = moving_parts(report);
    TLOG_ASSIGN(report, followed_vdisk(look(place, report.name), "resync"));
    if (moving_parts(report) != before) since = control::monotonic_ms();
  }
  return report;
}

}  // namespace

Status wait_slave_sync(const Place& place, const WaitCommand& command) {
  TLOG_ASSIGN(const Target target, target_of(place, command.vdisk));
  const control::Request request{.command = control::Command::kWaitSlaveSync,
                                 .vdisk = target.vdisk,
                                 .timeout_ms = command.timeout_ms};
  TLOG_ASSIGN(const control::Reply reply,
              ask_first(target.sockets, request, command.timeout_ms + kAnswerMs));
  print(command.json ? dump({{"vdisk", target.vdisk}, {"sequence", reply.sequence}})
                     : fmt::format("vdisk {}: the standby has everything up to sequence {}\n",
                                   target.vdisk, reply.sequence));
  return {};
}

Status failover(const Place& place, const FailoverCommand& command) {
  TLOG_ASSIGN(const Target target, target_of(place, command.vdisk));
  if (command.back) TLOG_TRY(check_failback(place, target.vdisk));
  const control::Request request{.command = control::Command::kFailover,
                                 .vdisk = target.vdisk,
                                 .timeout_ms = command.timeout_ms,
                                 .accept_loss = command.accept_loss,
                                 .keep_following = command.back};
  TLOG_ASSIGN(const control::Reply reply,
              ask_first(target.sockets, request, command.timeout_ms + kSwitchMs));
  if (command.json) {
    const Json receipt = Json::parse(reply.receipt, nullptr, /*allow_exceptions=*/false);
    print(dump(receipt.is_object() ? receipt : Json::object()));
    return {};
  }
  print(receipt_text(reply.receipt));
  if (!command.back) {
    print(
        fmt::format("  nothing follows it now; when the cluster that was left is there again: "
                    "`tlogctl resync {}`\n",
                    target.vdisk));
  }
  return {};
}

Status resync(const Place& place, const ResyncCommand& command) {
  TLOG_ASSIGN(const Target target, target_of(place, command.vdisk));
  const control::Request request{
      .command = control::Command::kResync, .vdisk = target.vdisk, .force = command.force};
  TLOG_ASSIGN(VdiskReport report,
              followed_vdisk(ask_first(target.sockets, request, kAnswerMs), "resync"));
  if (command.wait) {
    auto followed = follow(place, std::move(report), command.patience_ms);
    end_progress_line();
    if (!followed) return fail(followed.error());
    report = *std::move(followed);
  }
  if (command.json) {
    print(control::reports_json({report}));
  } else if (command.wait) {
    print(fmt::format("vdisk {}: cluster '{}' is in sync with '{}' up to sequence {}\n",
                      report.name, report.standby->standby, report.standby->active,
                      report.standby->synced.sequence));
  } else {
    print(
        fmt::format("vdisk {}: cluster '{}' is being brought up to date; `tlogctl status` shows "
                    "how it goes\n",
                    report.name, report.standby->standby));
  }
  return {};
}

}  // namespace tlog::ctl
