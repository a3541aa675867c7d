#include <fmt/format.h>

#include <map>

#include "server/program/report.h"

namespace tlog::program {
namespace {

// One family in the text format: all its samples together, behind its description.
class Family {
 public:
  Family(std::string& text, std::string_view name, std::string_view type, std::string_view help)
      : text_(text), name_(name) {
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  void add(std::uint64_t value, std::string_view labels = "") {
    text_ += fmt::format("{}{} {}\n", name_, labels, value);
  }

 private:
  std::string& text_;
  const std::string name_;
};

std::string label_value(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    if (c == '\\' || c == '"') escaped += '\\';
    if (c == '\n')
      escaped += "\\n";
    else
      escaped += c;
  }
  return escaped;
}

// The one writer of each vdisk: a series has to be unique.
using Writers = std::map<std::string, const server::SessionStatus*>;

struct Gauge {
  std::string_view name;
  std::string_view type;
  std::string_view help;
  std::uint64_t (*value)(const server::SessionStatus&);
};

constexpr Gauge kGauges[] = {
    {"tlogserver_vdisk_connected", "gauge",
     "Whether the writer is connected; else its log lingers.",
     [](const server::SessionStatus& s) -> std::uint64_t { return s.peer.empty() ? 0 : 1; }},
    {"tlogserver_vdisk_epoch", "gauge", "Epoch of the writer.",
     [](const server::SessionStatus& s) -> std::uint64_t { return s.epoch; }},
    {"tlogserver_vdisk_received_sequence", "gauge", "Newest record that was received.",
     [](const server::SessionStatus& s) -> std::uint64_t { return s.received; }},
    {"tlogserver_vdisk_stored_sequence", "gauge", "Newest record that is committed to the stores.",
     [](const server::SessionStatus& s) -> std::uint64_t { return s.stored; }},
    {"tlogserver_vdisk_synced_sequence", "gauge", "Newest record that is on the standby.",
     [](const server::SessionStatus& s) -> std::uint64_t { return s.synced; }},
    {"tlogserver_vdisk_standby_in_sync", "gauge",
     "Whether the standby that is kept here has everything; 0 also when none is kept.",
     [](const server::SessionStatus& s) -> std::uint64_t {
       return s.standby.name == "in sync" ? 1 : 0;
     }},
    {"tlogserver_vdisk_memory_bytes", "gauge", "Memory held for records that are not stored.",
     [](const server::SessionStatus& s) -> std::uint64_t { return s.memory_bytes; }},
    {"tlogserver_vdisk_paused", "gauge", "Whether nothing more is taken, because memory is full.",
     [](const server::SessionStatus& s) -> std::uint64_t { return s.paused ? 1 : 0; }},
    {"tlogserver_vdisk_held_back", "gauge",
     "Whether it is paused because it holds too much of the memory of all.",
     [](const server::SessionStatus& s) -> std::uint64_t { return s.held_back ? 1 : 0; }},
    {"tlogserver_vdisk_waiting", "gauge", "Whether what was received cannot be stored.",
     [](const server::SessionStatus& s) -> std::uint64_t { return s.waiting_for.empty() ? 0 : 1; }},
    {"tlogserver_vdisk_session_records", "gauge", "Records of the session that is open.",
     [](const server::SessionStatus& s) -> std::uint64_t { return s.records; }},
    {"tlogserver_vdisk_session_record_bytes", "gauge", "Bytes of these records.",
     [](const server::SessionStatus& s) -> std::uint64_t { return s.record_bytes; }},
};

void add_server(std::string& text, const server::ServerStatus& status) {
  const auto counter = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    Family(text, name, "counter", help).add(value);
  };
  counter("tlogserver_connections_total", "Connections that were accepted.", status.connections);
  counter("tlogserver_refusals_total", "Clients that were refused.", status.refused);
  counter("tlogserver_records_total", "Records that were received.", status.records);
  counter("tlogserver_record_bytes_total", "Bytes of records that were received.",
          status.record_bytes);
  counter("tlogserver_stored_records_total", "Records that were committed to stores.",
          status.stored_records);
  Family(text, "tlogserver_memory_bytes", "gauge", "Memory held for records of all vdisks.")
      .add(status.memory_bytes);
  Family(text, "tlogserver_memory_max_bytes", "gauge",
         "Towards this much of it sessions are paused (--memory-max).")
      .add(status.memory_bytes_max);
}

}  // namespace

std::string metrics_text(const server::ServerStatus& status, const ProcessStatus& process) {
  std::string text;
  Family(text, "tlogserver_build_info", "gauge", "Always 1; the label says which version it is.")
      .add(1, fmt::format("{{version=\"{}\"}}", TLOG_VERSION));
  add_server(text, status);

  Writers writers;
  std::uint64_t writing = 0;
  std::uint64_t reading = 0;
  for (const server::SessionStatus& session : status.sessions) {
    const bool is_writer = session.role == protocol::Role::kWriter;
    ++(is_writer ? writing : reading);
    if (is_writer) writers.emplace(session.vdisk, &session);
  }
  Family sessions(text, "tlogserver_sessions", "gauge", "Sessions that are open, by their role.");
  sessions.add(writing, "{role=\"writer\"}");
  sessions.add(reading, "{role=\"reader\"}");
  for (const Gauge& gauge : kGauges) {
    Family family(text, gauge.name, gauge.type, gauge.help);
    for (const auto& [vdisk, session] : writers) {
      family.add(gauge.value(*session), fmt::format("{{vdisk=\"{}\"}}", label_value(vdisk)));
    }
  }

  constexpr TimestampNs kSecond = 1'000'000'000;
  Family(text, "tlogserver_stopping", "gauge", "Whether the server has been told to end.")
      .add(process.stopping ? 1 : 0);
  Family(text, "process_start_time_seconds", "gauge", "When the process was started.")
      .add(static_cast<std::uint64_t>(process.started_ns / kSecond));
  Family(text, "process_resident_memory_bytes", "gauge", "Memory that the process has.")
      .add(process.resident_bytes);
  Family(text, "process_open_fds", "gauge", "Files and sockets that are open.")
      .add(process.open_files);
  return text;
}

}  // namespace tlog::program
