// The standby's report and alarms. The first words of the alarms are those of docs/failover.md.
#include <fmt/format.h>

#include "nbdkit-plugin/control_reports.h"
#include "tlog/base/clock.h"
#include "tlog/session/receipt.h"

namespace tlog::plugin {
namespace {

using session::StandbyState;
using session::StandbyStatus;

std::string seconds(std::uint64_t ns) {
  return fmt::format("{:.1f} s", static_cast<double>(ns) / 1e9);
}

// An alarm: its word, and in full what it is about.
class Alarms {
 public:
  explicit Alarms(std::vector<std::string>& into) : into_(into) {}
  void add(std::string_view word, const std::string& text) {
    into_.push_back(fmt::format("{}: {}", word, text));
  }

 private:
  std::vector<std::string>& into_;
};

// Of the cluster that has the blocks.
void alarm_of_active(const StandbyStatus& standby, Alarms& alarms) {
  if (standby.failing_ns == 0 || standby.state == StandbyState::kFailingOver) return;
  std::string text =
      fmt::format("cluster '{}' for {}", standby.active, seconds(standby.failing_ns));
  if (standby.failover_after_ns == 0) {
    text += "; failoverAfter is 0: the vdisk does not go over by itself, see `tlogctl failover`";
  } else if (standby.failing_ns < standby.failover_after_ns) {
    text += fmt::format("; the vdisk goes over to '{}' after {}", standby.standby,
                        seconds(standby.failover_after_ns));
  } else {
    text += fmt::format("; the vdisk cannot go over to '{}': {}", standby.standby,
                        standby.reason.empty() ? "it is being tried" : standby.reason);
  }
  alarms.add("active-failing", text);
}

void alarm_of_follower(const StandbyStatus& standby, const std::string& vdisk, Alarms& alarms) {
  switch (standby.state) {
    case StandbyState::kDiverged:
      alarms.add("standby-diverged",
                 fmt::format("cluster '{}': {}", standby.standby, standby.reason));
      break;
    case StandbyState::kWaiting:
      alarms.add("standby-waiting",
                 fmt::format("cluster '{}': {}", standby.standby, standby.reason));
      break;
    case StandbyState::kFailedOver:
      alarms.add("no-standby",
                 fmt::format("nothing follows '{}' since the vdisk went over to it; when '{}' is "
                             "there again: `tlogctl resync {}`",
                             standby.active, standby.standby, vdisk));
      break;
    default:
      break;
  }
}

void alarm_of_receipt(const StandbyStatus& standby, Alarms& alarms) {
  if (!standby.last_receipt || standby.last_receipt->lost.empty()) return;
  alarms.add("writes-lost", standby.last_receipt->text());
}

control::PositionReport report_of(const session::SyncPosition& position) {
  return {.epoch = position.epoch,
          .sequence = position.sequence,
          .aggregation = position.number,
          .hash = position.hash.hex()};
}

control::StandbyReport report_of(const StandbyStatus& standby) {
  control::StandbyReport report;
  report.state = session::standby_state_name(standby.state);
  report.reason = standby.reason;
  report.active = standby.active;
  report.standby = standby.standby;
  report.phase = standby.phase;
  report.was_complete = standby.was_complete;
  report.synced = report_of(standby.synced);
  report.lag_records = standby.lag_records;
  report.lag_ms = standby.lag_ns / kNsPerMs;
  report.applied_bytes = standby.applied_bytes;
  report.failing_ms = standby.failing_ns / kNsPerMs;
  report.failover_after_ms = standby.failover_after_ns / kNsPerMs;
  report.servers = reports_of(standby.servers);
  if (standby.last_receipt) report.receipt = session::receipt_summary_json(*standby.last_receipt);
  return report;
}

}  // namespace

void add_standby(const session::VdiskStatus& status, const config::Config& configuration,
                 control::VdiskReport& report) {
  if (!status.standby) return;
  const StandbyStatus& standby = *status.standby;
  report.standby = report_of(standby);
  if (const config::Vdisk* vdisk = configuration.find_vdisk(status.name))
    report.standby->primary = vdisk->storage_cluster;
  Alarms alarms(report.alarms);
  alarm_of_active(standby, alarms);
  alarm_of_follower(standby, status.name, alarms);
  alarm_of_receipt(standby, alarms);
}

}  // namespace tlog::plugin
