#include "nbdkit-plugin/control_reports.h"

#include <algorithm>

#include "tlog/base/clock.h"

namespace tlog::plugin {
namespace {

control::BackgroundScrubReport report_of(const session::ScrubSchedule::Kind& scrub) {
  return {.running = scrub.running,
          .began_ns = scrub.began,
          .done = scrub.done,
          .last = scrub.last,
          .missing = scrub.found.missing,
          .wrong = scrub.found.wrong,
          .unreachable = scrub.found.unreachable,
          .mended = scrub.found.mended,
          .next_ns = scrub.next,
          .finished_ns = scrub.finished,
          .finished_missing = scrub.result.missing,
          .finished_wrong = scrub.result.wrong,
          .finished_unreachable = scrub.result.unreachable,
          .finished_mended = scrub.result.mended};
}

}  // namespace

control::StoreReport report_of(const store::StoreStatus& store) {
  const bool is_down = !store.usable && store.state == store::StoreState::kUp;
  return {.name = store.name,
          .usable = store.usable,
          .condition = store.condition,
          .put_bytes = store.put_bytes,
          .get_bytes = store.get_bytes,
          .errors = store.errors,
          .queued_bytes = store.queued_bytes,
          .state = is_down ? "down" : std::string(store::state_name(store.state)),
          .server = store.server,
          .warning = store.warning};
}

std::vector<control::StoreReport> reports_of(const std::vector<blocks::PartStatus>& parts) {
  std::vector<control::StoreReport> reports;
  for (const blocks::PartStatus& part : parts) {
    control::StoreReport& report = reports.emplace_back(report_of(part.server));
    report.has = part.has;
    report.wanted = part.wanted;
  }
  return reports;
}

control::VdiskReport report_of(const session::VdiskStatus& status,
                               const config::Config& configuration) {
  control::VdiskReport report;
  report.name = status.name;
  report.uuid = status.uuid.text();
  report.state = session::state_name(status.state);
  report.reason = status.reason;
  report.size = status.size;
  report.epoch = status.epoch;
  report.appended = status.watermarks.appended;
  report.durable = status.watermarks.durable;
  report.stored = status.watermarks.stored;
  report.applied = status.watermarks.applied;
  report.journal_bytes_used = status.journal_bytes_used;
  report.journal_bytes_total = status.journal_bytes_total;
  report.arena_bytes_used = status.arena_bytes_used;
  report.arena_bytes_total = configuration.journal.arena_size;
  report.overlay_extents = status.overlay_extents;
  report.reads = status.reads;
  report.read_bytes = status.read_bytes;
  report.writes = status.writes;
  report.write_bytes = status.write_bytes;
  report.flushes = status.flushes;
  report.slowed = status.slowed;
  report.stalls = status.stalls;
  report.committed = status.log.committed;
  report.in_flight = status.log.in_flight;
  report.missing_shards = status.log.missing_shards;
  report.buffered_bytes = status.log.buffered_bytes;
  report.hinted_bytes = status.log.hinted_bytes;
  report.waiting_for = status.log.waiting_for;
  const flush::ScrubStatus& scrub = status.log.scrub;
  report.scrub_running = scrub.running;
  report.scrub_deep = scrub.deep;
  report.scrub_runs = scrub.runs;
  report.scrub_done = scrub.done;
  report.scrub_last = scrub.last;
  report.scrub_checked = scrub.checked;
  report.scrub_missing = scrub.missing;
  report.scrub_wrong = scrub.wrong;
  report.scrub_unreachable = scrub.unreachable;
  report.scrub_bytes = scrub.bytes;
  report.scrub_finding = scrub.first_finding;
  report.light_scrub = report_of(status.scrubs.light);
  report.deep_scrub = report_of(status.scrubs.deep);
  report.background_scrub_waiting = status.scrubs.waiting;
  for (const store::StoreStatus& store : status.stores) {
    const std::size_t place = report.stores.size();
    report.stores.push_back(report_of(store));
    if (place < status.log.left.size()) report.stores.back().left = status.log.left[place];
  }
  for (const session::LogServerStatus& server : status.log_servers) {
    report.log_servers.push_back({.address = server.address,
                                  .stripe = server.stripe,
                                  .state = server.state,
                                  .reason = server.reason,
                                  .sent = server.sent,
                                  .received = server.received,
                                  .stored = server.stored,
                                  .synced = server.synced,
                                  .connections = server.connections,
                                  .resent_records = server.resent_records,
                                  .round_trip_us = server.round_trip_ns / 1000});
  }
  report.block_servers = reports_of(status.block_servers);
  report.alarms = status.alarms;
  add_standby(status, configuration, report);
  return report;
}

void add_leases(const std::vector<session::LeaseStatus>& leases,
                std::vector<control::VdiskReport>& reports) {
  for (const session::LeaseStatus& lease : leases) {
    auto report = std::find_if(reports.begin(), reports.end(), [&](const control::VdiskReport& r) {
      return r.name == lease.vdisk;
    });
    if (report == reports.end()) continue;
    report->lease = session::lease_state_name(lease.state);
    report->lease_holder = lease.holder;
    report->lease_ends_in_ms = lease.ends_in_ns / kNsPerMs;
    report->lease_reason = lease.reason;
    if (report->state != "closed" || lease.state == session::LeaseState::kHeld) continue;
    if (lease.state == session::LeaseState::kStandby) report->state = "standby";
    report->reason = lease.reason;
  }
}

}  // namespace tlog::plugin
