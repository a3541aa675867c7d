#include "server/serve/status_json.h"

#include <nlohmann/json.hpp>

namespace tlog::server {
namespace {

using Json = nlohmann::ordered_json;

// Names of clients and reasons may be no UTF-8; that must not be an exception.
std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string session_json(const Core& core, const SessionStatus& session,
                         const std::optional<flush::LogWriterStatus>& log) {
  Json json;
  json["server"] = core.id.text();
  json["uptime_ns"] = core.parts.clock->monotonic_ns() - core.started_ns;
  json["vdisk"] = session.vdisk;
  json["client"] = session.client;
  json["peer"] = session.peer;
  json["role"] = session.role == protocol::Role::kWriter ? "writer" : "reader";
  json["epoch"] = session.epoch;
  json["received"] = session.received;
  json["stored"] = session.stored;
  json["synced"] = session.synced;
  json["memory_bytes"] = session.memory_bytes;
  json["records"] = session.records;
  json["record_bytes"] = session.record_bytes;
  json["paused"] = session.paused;
  json["waiting_for"] = session.waiting_for;
  if (log) {
    json["committed"] = log->committed;
    json["in_flight"] = log->in_flight;
    json["missing_shards"] = log->missing_shards;
    json["buffered_bytes"] = log->buffered_bytes;
  }
  return dumped(json);
}

}  // namespace tlog::server
