#include <fmt/format.h>

#include "server/program/report.h"
#include "tlog/config/config.h"

namespace tlog::program {
namespace {

constexpr std::string_view kStyle =
    "body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}"
    "td,th{border:1px solid #bbb;padding:.2em .6em;text-align:left}.bad{background:#fdd}";

// Clients and vdisks choose their names.
std::string escaped(std::string_view text) {
  std::string html;
  for (const char c : text) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      case '\'':
        html += "&#39;";
        break;
      default:
        html += c;
    }
  }
  return html;
}

std::string row(std::string_view name, const std::string& value) {
  return fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", name, escaped(value));
}

std::string session_row(const server::SessionStatus& session) {
  const bool is_writer = session.role == protocol::Role::kWriter;
  std::string state = session.peer.empty() ? "client away" : "connected";
  if (session.paused)
    state +=
        session.held_back ? ", paused: the server's memory is full" : ", paused: memory is full";
  if (!session.waiting_for.empty()) state += ", not storing: " + session.waiting_for;
  if (!session.standby.name.empty()) state += ", standby " + session.standby.name;
  if (!session.standby.reason.empty()) state += ": " + session.standby.reason;
  return fmt::format(
      "<tr{}><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>"
      "<td>{}</td><td>{}</td></tr>\n",
      session.waiting_for.empty() ? "" : " class=\"bad\"", escaped(session.vdisk),
      is_writer ? "writer" : "reader", escaped(session.client), escaped(session.peer),
      session.epoch, session.received, session.stored, config::format_size(session.memory_bytes),
      escaped(state));
}

std::string seconds_text(const std::optional<std::uint64_t>& ns) {
  return ns ? fmt::format("{:.1f} s", static_cast<double>(*ns) / 1e9) : "never";
}

std::string pullers_text(const server::RepositoryStatus& repository) {
  std::string text;
  for (const server::RepositoryStatus::Puller& puller : repository.pullers) {
    text += fmt::format("{}{}{}: {} bytes, {} behind, pulled {} ago<br>", escaped(puller.peer),
                        puller.target.empty() ? "" : " for ", escaped(puller.target),
                        puller.behind_bytes,
                        puller.behind_ns ? seconds_text(puller.behind_ns) : "not known how long",
                        seconds_text(puller.pulled_ns));
  }
  return text;
}

std::string repositories_table(const std::vector<server::RepositoryStatus>& repositories) {
  if (repositories.empty()) return "";
  std::string html =
      "<h2>Repositories</h2>\n<table>\n<tr><th>name</th><th>kind</th><th>logs</th><th>bytes</th>"
      "<th>last push</th><th>pulled by</th><th>state</th></tr>\n";
  for (const server::RepositoryStatus& repository : repositories) {
    html += fmt::format(
        "<tr{}><td>{}</td><td>{} {}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>"
        "</tr>\n",
        repository.error.empty() ? "" : " class=\"bad\"", escaped(repository.name),
        escaped(repository.kind), escaped(repository.vdisk), repository.logs, repository.bytes,
        repository.pushed_ns ? seconds_text(repository.pushed_ns) + " ago" : "",
        pullers_text(repository),
        repository.error.empty() ? fmt::format("looked at {}{}", seconds_text(repository.looked_ns),
                                               repository.looked_ns ? " ago" : "")
                                 : escaped(repository.error));
  }
  return html + "</table>\n";
}

std::string publications_table(const std::vector<server::PublicationStatus>& publications) {
  if (publications.empty()) return "";
  std::string html =
      "<h2>Publications</h2>\n<table>\n<tr><th>name</th><th>to</th><th>contents</th>"
      "<th>complete</th><th>state</th></tr>\n";
  for (const server::PublicationStatus& one : publications) {
    html += fmt::format("<tr{}><td>{}</td><td>{}</td><td>{}</td><td>{}{}</td><td>{}</td></tr>\n",
                        one.error.empty() ? "" : " class=\"bad\"", escaped(one.name),
                        one.to.empty() ? "here" : escaped(one.to), one.contents,
                        seconds_text(one.complete_ns), one.complete_ns ? " ago" : "",
                        escaped(one.error));
  }
  return html + "</table>\n";
}

}  // namespace

std::string status_page(const server::ServerStatus& status, const ProcessStatus& process) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>tlogserver {0}"
      "</title><style>{1}</style></head><body>\n<h1>tlogserver {0}</h1>\n<table>\n",
      escaped(status.address), kStyle);
  html += row("version", TLOG_VERSION);
  html += row("server", status.server.text());
  html += row("state", process.stopping ? "ending" : "serving");
  html += row("running for", fmt::format("{} s", status.uptime_ns / kSecond));
  html += row("connections", fmt::to_string(status.connections));
  html += row("refused", fmt::to_string(status.refused));
  html += row("records", fmt::format("{} ({} bytes)", status.records, status.record_bytes));
  html += row("stored records", fmt::to_string(status.stored_records));
  html += row("memory", fmt::format("{} of {}", config::format_size(status.memory_bytes),
                                    config::format_size(status.memory_bytes_max)));
  html +=
      "</table>\n<h2>Sessions</h2>\n<table>\n<tr><th>vdisk</th><th>role</th><th>client</th>"
      "<th>from</th><th>epoch</th><th>received</th><th>stored</th><th>memory</th>"
      "<th>state</th></tr>\n";
  for (const server::SessionStatus& session : status.sessions) html += session_row(session);
  html += "</table>\n" + repositories_table(status.repositories) +
          publications_table(status.publications);
  html +=
      "<p><a href=\"/metrics\">metrics</a> <a href=\"/health\">health</a> "
      "<a href=\"/status\">status (JSON)</a></p>\n</body></html>\n";
  return html;
}

}  // namespace tlog::program
