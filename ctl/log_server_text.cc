#include "ctl/log_server_text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ctl/status_table.h"
#include "tlog/config/config.h"

namespace tlog::ctl {
namespace {

using Json = nlohmann::ordered_json;

Result<Json> parsed(const std::string& said) {
  Json json = Json::parse(said, nullptr, /*allow_exceptions=*/false);
  if (json.is_object()) return json;
  return fail(Code::kCorruption,
              "server-status: what the server says of itself is no JSON object; is it newer?");
}

// What is not there, or something else, is as if it were empty: the server may be another version.
std::string text_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  std::string text = found != json.end() && found->is_string() ? found->get<std::string>() : "";
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

std::uint64_t number_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::string standby_text(const Json& session) {
  const auto found = session.find("standby");
  if (found == session.end() || !found->is_object()) return "";
  const std::string reason = text_of(*found, "reason");
  return table_row("standby",
                   fmt::format("{}, has {}{}{}", text_of(*found, "state"), number_of(*found, "has"),
                               reason.empty() ? "" : ": ", reason));
}

std::string scrub_kind_text(const Json& scrubs, const char* kind) {
  const auto found = scrubs.find(kind);
  if (found == scrubs.end() || !found->is_object()) return "unknown";
  const auto running = found->find("running");
  if (running != found->end() && *running == true) {
    return fmt::format("{} at {} of {}", kind, number_of(*found, "done"),
                       number_of(*found, "last"));
  }
  if (number_of(*found, "finished") == 0) return fmt::format("{}: not yet", kind);
  return fmt::format("{}: {} missing, {} wrong, {} unreachable, {} mended", kind,
                     number_of(*found, "missing"), number_of(*found, "wrong"),
                     number_of(*found, "unreachable"), number_of(*found, "mended"));
}

std::string scrub_text(const Json& session) {
  const auto found = session.find("scrub");
  if (found == session.end() || !found->is_object()) return "";
  return table_row("scrub", scrub_kind_text(*found, "light")) +
         table_row("", scrub_kind_text(*found, "deep"));
}

std::string session_text(const Json& session) {
  const std::string peer = text_of(session, "peer");
  const auto paused = session.find("paused");
  const std::string waiting = text_of(session, "waiting_for");
  std::string text =
      fmt::format("\nvdisk {}: {}\n", text_of(session, "vdisk"), text_of(session, "role"));
  text += table_row("client", text_of(session, "client") +
                                  (peer.empty() ? ", away: its log lingers" : " from " + peer));
  text += table_row("epoch", fmt::to_string(number_of(session, "epoch")));
  text += table_row("received", fmt::to_string(number_of(session, "received")));
  text += table_row("stored", fmt::to_string(number_of(session, "stored")));
  text += standby_text(session);
  text += scrub_text(session);
  text += table_row("memory", config::format_size(number_of(session, "memory_bytes")) +
                                  (paused != session.end() && *paused == true ? ", full" : ""));
  if (!waiting.empty()) text += table_row("WAITING", waiting);
  return text;
}

std::string ago_text(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number_unsigned()) return "";
  return fmt::format("{:.1f} s", static_cast<double>(found->get<std::uint64_t>()) / 1e9);
}

std::string puller_text(const Json& puller) {
  const std::string target = text_of(puller, "target");
  const std::string behind = ago_text(puller, "behind_ns");
  return table_row("pulled by", fmt::format("{}{}{}: {} bytes and {} behind, pulled {} ago",
                                            text_of(puller, "peer"), target.empty() ? "" : " for ",
                                            target, number_of(puller, "behind_bytes"),
                                            behind.empty() ? "nobody knows how long" : behind,
                                            ago_text(puller, "pulled_ns")));
}

std::string repository_text(const Json& repository) {
  const std::string vdisk = text_of(repository, "vdisk");
  std::string text = fmt::format("\nrepository {}: {}{}{}\n", text_of(repository, "name"),
                                 text_of(repository, "kind"), vdisk.empty() ? "" : " ", vdisk);
  const std::string looked = ago_text(repository, "looked_ns");
  text += table_row("logs", looked.empty()
                                ? "not looked at yet"
                                : fmt::format("{}, {} bytes, {} ago", number_of(repository, "logs"),
                                              number_of(repository, "bytes"), looked));
  const std::string pushed = ago_text(repository, "pushed_ns");
  if (!pushed.empty()) {
    text += table_row("pushed", fmt::format("{} bytes, the last ones {} ago",
                                            number_of(repository, "pushed_bytes"), pushed));
  }
  const auto pullers = repository.find("pullers");
  if (pullers != repository.end() && pullers->is_array()) {
    for (const Json& puller : *pullers) {
      if (puller.is_object()) text += puller_text(puller);
    }
  }
  const std::string error = text_of(repository, "error");
  if (!error.empty()) text += table_row("ERROR", error);
  return text;
}

std::string publications_text(const Json& json) {
  const auto publications = json.find("publications");
  if (publications == json.end() || !publications->is_array()) return "";
  std::string text;
  for (const Json& one : *publications) {
    if (!one.is_object()) continue;
    const std::string to = text_of(one, "to");
    const std::string complete = ago_text(one, "complete_ns");
    text +=
        fmt::format("\npublished {}: {}\n", text_of(one, "name"), to.empty() ? "here" : "to " + to);
    text += table_row("contents", fmt::to_string(number_of(one, "contents")));
    text += table_row("complete", complete.empty() ? "never so far" : complete + " ago");
    const std::string error = text_of(one, "error");
    if (!error.empty()) text += table_row("ERROR", error);
  }
  return text;
}

std::string repositories_text(const Json& json) {
  const auto repositories = json.find("repositories");
  if (repositories == json.end() || !repositories->is_array()) return "";
  std::string text;
  for (const Json& repository : *repositories) {
    if (repository.is_object()) text += repository_text(repository);
  }
  return text;
}

}  // namespace

Result<std::string> server_status_json(const std::string& said) {
  TLOG_ASSIGN(const Json json, parsed(said));
  return json.dump(2, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace) + "\n";
}

Result<std::string> server_status_text(const std::string& address, const std::string& said) {
  TLOG_ASSIGN(const Json json, parsed(said));
  constexpr std::uint64_t kSecond = 1'000'000'000;
  std::string text = fmt::format("tlogserver {}\n", address);
  text += table_row("server", text_of(json, "server"));
  text += table_row("running for", fmt::format("{} s", number_of(json, "uptime_ns") / kSecond));
  text += table_row("connections", fmt::format("{}, {} refused", number_of(json, "connections"),
                                               number_of(json, "refused")));
  text += table_row("records", fmt::format("{} ({}), {} stored", number_of(json, "records"),
                                           config::format_size(number_of(json, "record_bytes")),
                                           number_of(json, "stored_records")));
  const auto sessions = json.find("sessions");
  if (sessions == json.end() || !sessions->is_array() || sessions->empty())
    return text + "no vdisk is written or read\n" + repositories_text(json) +
           publications_text(json);
  for (const Json& session : *sessions) {
    if (session.is_object()) text += session_text(session);
  }
  return text + repositories_text(json) + publications_text(json);
}

}  // namespace tlog::ctl
