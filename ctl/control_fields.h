// File: ctl/control_fields.h
// The keys of the control protocol's reports, one list for both directions: `visit` is called with
// each key and its field. For control_protocol.cc only.
// Threading: pure functions.
#pragma once

#include "ctl/control_protocol.h"

namespace tlog::control {

template <class Report, class Visit>
void visit_store(Report& store, Visit visit) {
  visit("name", store.name);
  visit("usable", store.usable);
  visit("condition", store.condition);
  visit("putBytes", store.put_bytes);
  visit("getBytes", store.get_bytes);
  visit("errors", store.errors);
  visit("queuedBytes", store.queued_bytes);
  visit("state", store.state);
  visit("server", store.server);
  visit("warning", store.warning);
  visit("has", store.has);
  visit("wanted", store.wanted);
  visit("left", store.left);
}

template <class Report, class Visit>
void visit_background_scrub(Report& scrub, Visit visit) {
  visit("running", scrub.running);
  visit("beganNs", scrub.began_ns);
  visit("done", scrub.done);
  visit("last", scrub.last);
  visit("missing", scrub.missing);
  visit("wrong", scrub.wrong);
  visit("unreachable", scrub.unreachable);
  visit("mended", scrub.mended);
  visit("nextNs", scrub.next_ns);
  visit("finishedNs", scrub.finished_ns);
  visit("finishedMissing", scrub.finished_missing);
  visit("finishedWrong", scrub.finished_wrong);
  visit("finishedUnreachable", scrub.finished_unreachable);
  visit("finishedMended", scrub.finished_mended);
}
// The key of each in the report.
template <class Report, class Visit>
void visit_background_scrubs(Report& vdisk, Visit visit) {
  visit("lightScrub", vdisk.light_scrub);
  visit("deepScrub", vdisk.deep_scrub);
}

template <class Report, class Visit>
void visit_vdisk(Report& vdisk, Visit visit) {
  visit("name", vdisk.name);
  visit("uuid", vdisk.uuid);
  visit("state", vdisk.state);
  visit("reason", vdisk.reason);
  visit("size", vdisk.size);
  visit("epoch", vdisk.epoch);
  visit("appended", vdisk.appended);
  visit("durable", vdisk.durable);
  visit("stored", vdisk.stored);
  visit("applied", vdisk.applied);
  visit("journalBytesUsed", vdisk.journal_bytes_used);
  visit("journalBytesTotal", vdisk.journal_bytes_total);
  visit("arenaBytesUsed", vdisk.arena_bytes_used);
  visit("arenaBytesTotal", vdisk.arena_bytes_total);
  visit("overlayExtents", vdisk.overlay_extents);
  visit("reads", vdisk.reads);
  visit("readBytes", vdisk.read_bytes);
  visit("writes", vdisk.writes);
  visit("writeBytes", vdisk.write_bytes);
  visit("flushes", vdisk.flushes);
  visit("slowed", vdisk.slowed);
  visit("stalls", vdisk.stalls);
  visit("committed", vdisk.committed);
  visit("inFlight", vdisk.in_flight);
  visit("missingShards", vdisk.missing_shards);
  visit("bufferedBytes", vdisk.buffered_bytes);
  visit("hintedBytes", vdisk.hinted_bytes);
  visit("waitingFor", vdisk.waiting_for);
  visit("scrubRunning", vdisk.scrub_running);
  visit("scrubDeep", vdisk.scrub_deep);
  visit("scrubRuns", vdisk.scrub_runs);
  visit("scrubDone", vdisk.scrub_done);
  visit("scrubLast", vdisk.scrub_last);
  visit("scrubChecked", vdisk.scrub_checked);
  visit("scrubMissing", vdisk.scrub_missing);
  visit("scrubWrong", vdisk.scrub_wrong);
  visit("scrubUnreachable", vdisk.scrub_unreachable);
  visit("scrubBytes", vdisk.scrub_bytes);
  visit("scrubFinding", vdisk.scrub_finding);
  visit("backgroundScrubWaiting", vdisk.background_scrub_waiting);
  visit("lease", vdisk.lease);
  visit("leaseHolder", vdisk.lease_holder);
  visit("leaseEndsInMs", vdisk.lease_ends_in_ms);
  visit("leaseReason", vdisk.lease_reason);
  visit("configSource", vdisk.config_source);
  visit("configGeneration", vdisk.config_generation);
  visit("configLoadedNs", vdisk.config_loaded_ns);
  visit("configError", vdisk.config_error);
  visit("configErrorNs", vdisk.config_error_ns);
}

template <class Report, class Visit>
void visit_log_server(Report& server, Visit visit) {
  visit("address", server.address);
  visit("stripe", server.stripe);
  visit("state", server.state);
  visit("reason", server.reason);
  visit("sent", server.sent);
  visit("received", server.received);
  visit("stored", server.stored);
  visit("synced", server.synced);
  visit("connections", server.connections);
  visit("resentRecords", server.resent_records);
  visit("roundTripUs", server.round_trip_us);
}

template <class Report, class Visit>
void visit_position(Report& position, Visit visit) {
  visit("epoch", position.epoch);
  visit("sequence", position.sequence);
  visit("aggregation", position.aggregation);
  visit("hash", position.hash);
}

// Of the standby all but its position, its servers and the receipt.
template <class Report, class Visit>
void visit_standby(Report& standby, Visit visit) {
  visit("state", standby.state);
  visit("reason", standby.reason);
  visit("primary", standby.primary);
  visit("active", standby.active);
  visit("standby", standby.standby);
  visit("phase", standby.phase);
  visit("wasComplete", standby.was_complete);
  visit("lagRecords", standby.lag_records);
  visit("lagMs", standby.lag_ms);
  visit("appliedBytes", standby.applied_bytes);
  visit("failingMs", standby.failing_ms);
  visit("failoverAfterMs", standby.failover_after_ms);
}

}  // namespace tlog::control
