#include "ctl/control_protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>

#include "ctl/control_fields.h"
#include "tlog/base/limits.h"

namespace tlog::control {
namespace {

using Json = nlohmann::ordered_json;

struct CommandName {
  Command command;
  std::string_view name;
};
constexpr CommandName kCommands[] = {{Command::kPing, "ping"},
                                     {Command::kStatus, "status"},
                                     {Command::kReload, "reload"},
                                     {Command::kMark, "mark"},
                                     {Command::kFlush, "flush"},
                                     {Command::kScrub, "scrub"},
                                     {Command::kWaitSlaveSync, "wait-slave-sync"},
                                     {Command::kFailover, "failover"},
                                     {Command::kResync, "resync"}};

bool has_timeout(Command command) {
  return command == Command::kFlush || command == Command::kWaitSlaveSync ||
         command == Command::kFailover;
}

// Names of stores come from the configuration: bytes that are no UTF-8 must not stop a status.
std::string dump(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::optional<Json> object_of(std::string_view line) {
  Json json = Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;  // discarded when it is not JSON at all
  return json;
}

Json json_of(const std::vector<StoreReport>& stores) {
  Json list = Json::array();
  for (const StoreReport& store : stores) {
    Json one = Json::object();
    visit_store(store, [&](const char* key, const auto& field) { one[key] = field; });
    list.push_back(std::move(one));
  }
  return list;
}

Json json_of(const std::vector<LogServerReport>& servers) {
  Json list = Json::array();
  for (const LogServerReport& server : servers) {
    Json one = Json::object();
    visit_log_server(server, [&](const char* key, const auto& field) { one[key] = field; });
    list.push_back(std::move(one));
  }
  return list;
}

// A receipt travels as the object that it is in its file.
void put_receipt(const std::string& text, Json& into) {
  if (std::optional<Json> receipt = object_of(text)) into["receipt"] = *std::move(receipt);
}

Json json_of(const StandbyReport& standby) {
  Json json = Json::object();
  visit_standby(standby, [&](const char* key, const auto& field) { json[key] = field; });
  Json synced = Json::object();
  visit_position(standby.synced, [&](const char* key, const auto& field) { synced[key] = field; });
  json["synced"] = std::move(synced);
  json["servers"] = json_of(standby.servers);
  put_receipt(standby.receipt, json);
  return json;
}

Json json_of(const VdiskReport& vdisk) {
  Json json = Json::object();
  visit_vdisk(vdisk, [&](const char* key, const auto& field) { json[key] = field; });
  visit_background_scrubs(vdisk, [&](const char* name, const BackgroundScrubReport& scrub) {
    Json one = Json::object();
    visit_background_scrub(scrub, [&](const char* key, const auto& field) { one[key] = field; });
    json[name] = std::move(one);
  });
  json["stores"] = json_of(vdisk.stores);
  if (!vdisk.log_servers.empty()) json["logServers"] = json_of(vdisk.log_servers);
  json["blockServers"] = json_of(vdisk.block_servers);
  if (vdisk.standby) json["standby"] = json_of(*vdisk.standby);
  json["alarms"] = vdisk.alarms;
  return json;
}

// Reads fields of an object; remembers the first that is of the wrong kind. Absent fields keep
// their value.
class Reader {
 public:
  explicit Reader(const Json& object) : object_(object) {}

  void operator()(const char* key, std::string& into) { read(key, into, &Json::is_string, "text"); }
  void operator()(const char* key, bool& into) {
    read(key, into, &Json::is_boolean, "true or false");
  }
  void operator()(const char* key, std::uint64_t& into) {
    read(key, into, &Json::is_number_unsigned, "an unsigned number");
  }
  const std::optional<std::string>& wrong() const { return wrong_; }

 private:
  template <class Field>
  void read(const char* key, Field& into, bool (Json::*is_kind)() const noexcept,
            std::string_view kind) {
    auto found = object_.find(key);
    if (found == object_.end()) return;
    if (((*found).*is_kind)()) {
      into = found->template get<Field>();
    } else if (!wrong_) {
      wrong_ = fmt::format("\"{}\" is not {}", key, kind);
    }
  }

  const Json& object_;
  std::optional<std::string> wrong_;
};

tl::unexpected<Error> bad_request(std::string_view reason) {
  return fail(Code::kInvalidArgument, fmt::format("control: request: {}", reason));
}
tl::unexpected<Error> bad_reply(std::string_view reason) {
  return fail(Code::kCorruption, fmt::format("control: answer: {}", reason));
}

Status check(const Request& request) {
  bool needs_vdisk = request.command != Command::kPing && request.command != Command::kStatus &&
                     request.command != Command::kReload;
  if (needs_vdisk && request.vdisk.empty()) return bad_request("\"vdisk\" is missing");
  if (request.vdisk.size() > kNameMax) return bad_request("\"vdisk\" is too long");
  if (request.command == Command::kMark) {
    if (request.name.empty()) return bad_request("\"name\" is missing, a mark has a name");
    if (request.name.size() > kMarkNameMax) {
      return bad_request(fmt::format("\"name\" is longer than {} bytes", kMarkNameMax));
    }
    bool has_control = std::any_of(request.name.begin(), request.name.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
    if (has_control) return bad_request("\"name\" has a control character in it");
  }
  if (request.timeout_ms > kFlushTimeoutMsMax) {
    return bad_request(fmt::format("\"timeoutMs\" is larger than {}", kFlushTimeoutMsMax));
  }
  return {};
}

Code code_of(std::string_view name) {
  for (int value = 0; value <= static_cast<int>(Code::kNotSupported); ++value) {
    if (code_name(static_cast<Code>(value)) == name) return static_cast<Code>(value);
  }
  return Code::kIoError;
}

Status read_texts(const Json& json, const char* key, std::vector<std::string>& into) {
  auto texts = json.find(key);
  if (texts == json.end()) return {};
  if (!texts->is_array()) return bad_reply(fmt::format("\"{}\" is not a list", key));
  for (const Json& text : *texts) {
    if (!text.is_string()) return bad_reply(fmt::format("one of \"{}\" is not text", key));
    into.push_back(text.get<std::string>());
  }
  return {};
}

// Null when there is none.
Result<const Json*> object_in(const Json& json, const char* key) {
  auto found = json.find(key);
  if (found == json.end()) return nullptr;
  if (!found->is_object()) return bad_reply(fmt::format("\"{}\" is not an object", key));
  return &*found;
}

Status read_receipt(const Json& json, std::string& into) {
  TLOG_ASSIGN(const Json* receipt, object_in(json, "receipt"));
  if (receipt != nullptr) into = dump(*receipt);
  return {};
}

Status read_background_scrubs(const Json& json, VdiskReport& vdisk) {
  Status read;
  visit_background_scrubs(vdisk, [&](const char* name, BackgroundScrubReport& into) {
    if (!read) return;
    auto scrub = object_in(json, name);
    if (!scrub) read = fail(scrub.error());
    if (!scrub || *scrub == nullptr) return;  // an older server has none
    Reader reader(**scrub);
    visit_background_scrub(into, std::ref(reader));
    if (reader.wrong()) read = bad_reply(*reader.wrong());
  });
  return read;
}

// `read_one` reads an object's fields with the reader it is given.
Status read_objects(const Json& json, const char* key,
                    const std::function<void(Reader&)>& read_one) {
  auto list = json.find(key);
  if (list == json.end()) return {};
  if (!list->is_array()) return bad_reply(fmt::format("\"{}\" is not a list", key));
  for (const Json& item : *list) {
    if (!item.is_object()) return bad_reply(fmt::format("one of \"{}\" is not an object", key));
    Reader reader(item);
    read_one(reader);
    if (reader.wrong()) return bad_reply(*reader.wrong());
  }
  return {};
}

Status read_stores(const Json& json, const char* key, std::vector<StoreReport>& into) {
  return read_objects(json, key,
                      [&](Reader& reader) { visit_store(into.emplace_back(), std::ref(reader)); });
}

Status read_standby(const Json& json, std::optional<StandbyReport>& into) {
  TLOG_ASSIGN(const Json* found, object_in(json, "standby"));
  if (found == nullptr) return {};
  StandbyReport& standby = into.emplace();
  Reader reader(*found);
  visit_standby(standby, std::ref(reader));
  if (reader.wrong()) return bad_reply(*reader.wrong());
  TLOG_ASSIGN(const Json* synced, object_in(*found, "synced"));
  if (synced != nullptr) {
    Reader position(*synced);
    visit_position(standby.synced, std::ref(position));
    if (position.wrong()) return bad_reply(*position.wrong());
  }
  TLOG_TRY(read_stores(*found, "servers", standby.servers));
  return read_receipt(*found, standby.receipt);
}

Result<VdiskReport> vdisk_of(const Json& json) {
  if (!json.is_object()) return bad_reply("a vdisk is not an object");
  VdiskReport vdisk;
  Reader reader(json);
  visit_vdisk(vdisk, std::ref(reader));
  if (reader.wrong()) return bad_reply(*reader.wrong());
  TLOG_TRY(read_background_scrubs(json, vdisk));
  TLOG_TRY(read_stores(json, "stores", vdisk.stores));
  TLOG_TRY(read_objects(json, "logServers", [&](Reader& one) {
    visit_log_server(vdisk.log_servers.emplace_back(), std::ref(one));
  }));
  TLOG_TRY(read_stores(json, "blockServers", vdisk.block_servers));
  TLOG_TRY(read_standby(json, vdisk.standby));
  TLOG_TRY(read_texts(json, "alarms", vdisk.alarms));
  return vdisk;
}

}  // namespace

std::string encode_request(const Request& request) {
  Json json = Json::object();
  for (const CommandName& known : kCommands) {
    if (known.command == request.command) json["command"] = known.name;
  }
  if (!request.vdisk.empty()) json["vdisk"] = request.vdisk;
  if (request.command == Command::kMark) json["name"] = request.name;
  if (has_timeout(request.command)) json["timeoutMs"] = request.timeout_ms;
  if (request.command == Command::kFailover) {
    json["acceptLoss"] = request.accept_loss;
    json["keepFollowing"] = request.keep_following;
  }
  if (request.command == Command::kResync) json["force"] = request.force;
  if (request.command == Command::kScrub) {
    json["deep"] = request.deep;
    json["repair"] = request.repair;
    json["bytesPerSecond"] = request.bytes_per_second;
  }
  return dump(json) + '\n';
}

Result<Request> decode_request(std::string_view line) {
  if (line.size() > kRequestBytesMax) return bad_request("too long");
  std::optional<Json> json = object_of(line);
  if (!json) return bad_request("not a JSON object");
  Request request;
  std::string command;
  Reader reader(*json);
  reader("command", command);
  reader("vdisk", request.vdisk);
  reader("name", request.name);
  reader("timeoutMs", request.timeout_ms);
  reader("deep", request.deep);
  reader("repair", request.repair);
  reader("bytesPerSecond", request.bytes_per_second);
  reader("acceptLoss", request.accept_loss);
  reader("keepFollowing", request.keep_following);
  reader("force", request.force);
  if (reader.wrong()) return bad_request(*reader.wrong());
  auto known = std::find_if(std::begin(kCommands), std::end(kCommands),
                            [&](const CommandName& c) { return c.name == command; });
  if (known == std::end(kCommands)) {
    return bad_request(
        "unknown \"command\", expected ping, status, reload, mark, flush, scrub, wait-slave-sync, "
        "failover or resync");
  }
  request.command = known->command;
  TLOG_TRY(check(request));
  return request;
}

std::string encode_reply(const Reply& reply) {
  Json json = {{"ok", true}, {"pid", reply.pid}, {"monotonicNs", reply.monotonic_ns}};
  if (reply.sequence != 0) json["sequence"] = reply.sequence;
  Json vdisks = Json::array();
  for (const VdiskReport& vdisk : reply.vdisks) vdisks.push_back(json_of(vdisk));
  json["vdisks"] = std::move(vdisks);
  if (reply.config_generation != 0) {
    json["configSource"] = reply.config_source;
    json["configGeneration"] = reply.config_generation;
    json["changes"] = reply.changes;
  }
  put_receipt(reply.receipt, json);
  return dump(json) + '\n';
}

std::string encode_error(const Error& error) {
  Json json = {{"ok", false}, {"error", error.message()}, {"code", code_name(error.code())}};
  return dump(json) + '\n';
}

Result<Reply> decode_reply(std::string_view line) {
  if (line.size() > kReplyBytesMax) return bad_reply("too long");
  std::optional<Json> json = object_of(line);
  if (!json) return bad_reply("not a JSON object");
  bool ok = false;
  std::string error;
  std::string code;
  Reply reply;
  Reader reader(*json);
  reader("ok", ok);
  reader("error", error);
  reader("code", code);
  reader("pid", reply.pid);
  reader("monotonicNs", reply.monotonic_ns);
  reader("sequence", reply.sequence);
  reader("configSource", reply.config_source);
  reader("configGeneration", reply.config_generation);
  if (reader.wrong()) return bad_reply(*reader.wrong());
  if (!ok)
    return fail(code_of(code), error.empty() ? "control: the server answered nothing" : error);
  TLOG_TRY(read_texts(*json, "changes", reply.changes));
  TLOG_TRY(read_receipt(*json, reply.receipt));
  auto vdisks = json->find("vdisks");
  if (vdisks == json->end()) return reply;
  if (!vdisks->is_array()) return bad_reply("\"vdisks\" is not a list");
  for (const Json& item : *vdisks) {
    TLOG_ASSIGN(VdiskReport vdisk, vdisk_of(item));
    reply.vdisks.push_back(std::move(vdisk));
  }
  return reply;
}

std::string reports_json(const std::vector<VdiskReport>& vdisks) {
  Json list = Json::array();
  for (const VdiskReport& vdisk : vdisks) list.push_back(json_of(vdisk));
  return dump(Json{{"vdisks", std::move(list)}}, 2) + '\n';
}

}  // namespace tlog::control
