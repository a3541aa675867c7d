#include "server/program/report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace tlog::program {
namespace {

using Json = nlohmann::ordered_json;

std::string_view role_text(protocol::Role role) {
  return role == protocol::Role::kWriter ? "writer" : "reader";
}

Json session_json(const server::SessionStatus& session) {
  Json json{{"vdisk", session.vdisk},
            {"role", role_text(session.role)},
            {"client", session.client},
            {"peer", session.peer},
            {"epoch", session.epoch},
            {"received", session.received},
            {"stored", session.stored},
            {"synced", session.synced},
            {"memoryBytes", session.memory_bytes},
            {"records", session.records},
            {"recordBytes", session.record_bytes},
            {"paused", session.paused},
            {"waitingFor", session.waiting_for}};
  if (!session.standby.name.empty()) {
    json["standby"] = {{"state", session.standby.name},
                       {"has", session.standby.has},
                       {"reason", session.standby.reason}};
  }
  return json;
}

Json time_json(const std::optional<std::uint64_t>& ns) {
  return ns ? Json(*ns) : Json();
}

Json repository_json(const server::RepositoryStatus& repository) {
  Json json{{"name", repository.name},
            {"kind", repository.kind},
            {"vdisk", repository.vdisk},
            {"logs", repository.logs},
            {"bytes", repository.bytes},
            {"lookedNs", time_json(repository.looked_ns)},
            {"error", repository.error},
            {"pushedBytes", repository.pushed_bytes},
            {"pushedNs", time_json(repository.pushed_ns)},
            {"pullers", Json::array()}};
  for (const server::RepositoryStatus::Puller& puller : repository.pullers) {
    json["pullers"].push_back({{"peer", puller.peer},
                               {"target", puller.target},
                               {"behindBytes", puller.behind_bytes},
                               {"behindNs", time_json(puller.behind_ns)},
                               {"pulledNs", puller.pulled_ns}});
  }
  return json;
}

// What a client has called itself may be no UTF-8.
std::string text_of(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

HttpAnswer json_answer(unsigned status, std::string body) {
  return {.status = status, .type = "application/json", .body = std::move(body)};
}

}  // namespace

ProcessStatus process_status(TimestampNs started_ns, bool stopping) {
  ProcessStatus process{.stopping = stopping, .started_ns = started_ns};
  std::ifstream statm("/proc/self/statm");
  std::uint64_t pages = 0;
  statm >> pages >> pages;  // the second number is what is in memory
  if (statm) process.resident_bytes = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::error_code error;
  for (std::filesystem::directory_iterator file("/proc/self/fd", error), end; !error && file != end;
       file.increment(error)) {
    ++process.open_files;
  }
  return process;
}

std::string status_json(const server::ServerStatus& status, const ProcessStatus& process) {
  Json json{{"version", TLOG_VERSION},
            {"server", status.server.text()},
            {"address", status.address},
            {"stopping", process.stopping},
            {"uptimeNs", status.uptime_ns},
            {"connections", status.connections},
            {"refused", status.refused},
            {"records", status.records},
            {"recordBytes", status.record_bytes},
            {"storedRecords", status.stored_records},
            {"sessions", Json::array()}};
  for (const server::SessionStatus& session : status.sessions) {
    json["sessions"].push_back(session_json(session));
  }
  if (!status.repositories.empty()) json["repositories"] = Json::array();
  for (const server::RepositoryStatus& repository : status.repositories) {
    json["repositories"].push_back(repository_json(repository));
  }
  return text_of(json);
}

Health health(const server::ServerStatus& status, const ProcessStatus& process) {
  Json reasons = Json::array();
  if (process.stopping) reasons.push_back({{"reason", "the server is ending"}});
  for (const server::SessionStatus& session : status.sessions) {
    if (session.waiting_for.empty()) continue;
    reasons.push_back({{"vdisk", session.vdisk}, {"reason", session.waiting_for}});
  }
  const bool well = reasons.empty();
  return {.well = well,
          .json = text_of({{"status", well ? "ok" : "not ok"}, {"reasons", std::move(reasons)}})};
}

HttpAnswer answer(const std::string& path, const server::ServerStatus& status,
                  const ProcessStatus& process) {
  if (path == "/") {
    return {.type = "text/html; charset=utf-8", .body = status_page(status, process)};
  }
  if (path == "/metrics") {
    return {.type = "text/plain; version=0.0.4; charset=utf-8",
            .body = metrics_text(status, process)};
  }
  if (path == "/status") return json_answer(200, status_json(status, process));
  if (path == "/health") {
    Health found = health(status, process);
    return json_answer(found.well ? 200 : 503, std::move(found.json));
  }
  return {.status = 404, .body = "there are /, /metrics, /health and /status\n"};
}

}  // namespace tlog::program
