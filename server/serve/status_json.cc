#include "server/serve/status_json.h"

#include <nlohmann/json.hpp>

namespace tlog::server {
namespace {

using Json = nlohmann::ordered_json;

// Names of clients and reasons may be no UTF-8; that must not be an exception.
std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json json_of(const Core& core) {
  Json json;
  json["server"] = core.id.text();
  json["uptime_ns"] = core.parts.clock->monotonic_ns() - core.started_ns;
  return json;
}

Json json_of(const session::ScrubSchedule::Kind& kind) {
  return {{"running", kind.running},     {"done", kind.done},
          {"last", kind.last},           {"next", kind.next},
          {"finished", kind.finished},   {"missing", kind.result.missing},
          {"wrong", kind.result.wrong},  {"unreachable", kind.result.unreachable},
          {"mended", kind.result.mended}};
}

void add_session(Json& json, const SessionStatus& session) {
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
  json["held_back"] = session.held_back;
  json["waiting_for"] = session.waiting_for;
  if (session.scrubs) {
    json["scrub"] = {{"light", json_of(session.scrubs->light)},
                     {"deep", json_of(session.scrubs->deep)}};
  }
  if (session.standby.name.empty()) return;
  json["standby"] = {{"state", session.standby.name},
                     {"has", session.standby.has},
                     {"reason", session.standby.reason}};
}

Json json_of(const std::optional<std::uint64_t>& ns) {
  return ns ? Json(*ns) : Json();
}

Json json_of(const RepositoryStatus& repository) {
  Json json{{"name", repository.name},
            {"kind", repository.kind},
            {"vdisk", repository.vdisk},
            {"logs", repository.logs},
            {"bytes", repository.bytes},
            {"looked_ns", json_of(repository.looked_ns)},
            {"error", repository.error},
            {"pushed_bytes", repository.pushed_bytes},
            {"pushed_ns", json_of(repository.pushed_ns)},
            {"pullers", Json::array()}};
  for (const RepositoryStatus::Puller& puller : repository.pullers) {
    json["pullers"].push_back({{"peer", puller.peer},
                               {"target", puller.target},
                               {"behind_bytes", puller.behind_bytes},
                               {"behind_ns", json_of(puller.behind_ns)},
                               {"pulled_ns", puller.pulled_ns}});
  }
  return json;
}

}  // namespace

std::string session_json(const Core& core, const SessionStatus& session,
                         const std::optional<flush::LogWriterStatus>& log) {
  Json json = json_of(core);
  add_session(json, session);
  if (log) {
    json["committed"] = log->committed;
    json["in_flight"] = log->in_flight;
    json["missing_shards"] = log->missing_shards;
    json["buffered_bytes"] = log->buffered_bytes;
  }
  return dumped(json);
}

std::string server_json(const Core& core, const std::vector<SessionStatus>& sessions,
                        const std::vector<RepositoryStatus>& repositories,
                        const std::vector<PublicationStatus>& publications) {
  Json json = json_of(core);
  json["connections"] = core.connections;
  json["refused"] = core.refused;
  json["records"] = core.records;
  json["record_bytes"] = core.record_bytes;
  json["stored_records"] = core.stored_records;
  json["memory_bytes"] = core.memory_bytes;
  json["memory_bytes_max"] = core.options.memory_bytes_max;
  json["sessions"] = Json::array();
  for (const SessionStatus& session : sessions) {
    Json& one = json["sessions"].emplace_back(Json::object());
    add_session(one, session);
  }
  if (!repositories.empty()) json["repositories"] = Json::array();
  for (const RepositoryStatus& repository : repositories) {
    json["repositories"].push_back(json_of(repository));
  }
  if (!publications.empty()) json["publications"] = Json::array();
  for (const PublicationStatus& publication : publications) {
    json["publications"].push_back({{"name", publication.name},
                                    {"to", publication.to},
                                    {"contents", publication.contents},
                                    {"complete_ns", json_of(publication.complete_ns)},
                                    {"error", publication.error}});
  }
  return dumped(json);
}

}  // namespace tlog::server
