// `tlogctl server-status` and `tlogctl wait-slave-sync --server`: asked of a tlogserver itself.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "ctl/log_server_talk.h"
#include "ctl/log_server_text.h"
#include "ctl/target.h"
#include "tlog/base/clock.h"
#include "tlog/seal/key.h"

namespace tlog::ctl {
namespace {

using Json = nlohmann::ordered_json;

Result<std::unique_ptr<LogServerTalk>> begin(const LogServerPlace& place) {
  std::shared_ptr<const net::Tls> tls;
  // Whoever gives any of them counts on not talking plain.
  if (place.tls || !place.ca_file.empty() || !place.certificate_file.empty() ||
      !place.key_file.empty() || !place.psk_file.empty() || !place.psk_identity.empty() ||
      !place.name.empty()) {
    net::TlsOptions options;
    options.certificate_file = place.certificate_file;
    options.key_file = place.key_file;
    options.ca_file = place.ca_file;
    options.psk_file = place.psk_file;
    options.psk_identity = place.psk_identity;
    options.expected_name = place.name;
    TLOG_ASSIGN(tls, net::Tls::load(net::TlsSide::kClient, options, io::system_files()));
  }
  return LogServerTalk::begin(place.address, std::move(tls), kAnswerMs);
}

// The answer to the question with the id 1.
Result<protocol::Reply> hear_reply(LogServerTalk& talk, const LogServerPlace& place,
                                   std::uint64_t timeout_ms) {
  TLOG_ASSIGN(protocol::Message message, talk.hear(timeout_ms));
  auto* reply = std::get_if<protocol::Reply>(&message);
  if (reply == nullptr || reply->id != 1) {
    return fail(Code::kCorruption, fmt::format("{}: {} came instead of the answer", place.address,
                                               protocol::message_name(message)));
  }
  if (reply->error) return fail(reply->error->within(place.address));
  return std::move(*reply);
}

Status hand_over_key(const LogServerTalk& talk, const std::string& path, protocol::Hello& hello) {
  if (path.empty()) return {};
  if (!talk.is_private()) {
    return fail(Code::kInvalidArgument,
                "--key-file: the key would be sent where others can read it; use TLS or the "
                "server's Unix socket");
  }
  TLOG_ASSIGN(const seal::MasterKey key, seal::MasterKey::load(io::system_files(), path));
  hello.key.resize(protocol::kKeyBytes);
  key.copy_to(std::as_writable_bytes(std::span(hello.key)).first<protocol::kKeyBytes>());
  return {};
}

}  // namespace

Status server_status(const LogServerPlace& place, bool json) {
  TLOG_ASSIGN(const auto talk, begin(place));
  talk->say(protocol::StatusRequest{.id = 1});
  TLOG_ASSIGN(const protocol::Reply reply, hear_reply(*talk, place, kAnswerMs));
  TLOG_ASSIGN(const std::string text, json ? server_status_json(reply.text)
                                           : server_status_text(place.address, reply.text));
  std::fputs(text.c_str(), stdout);
  return {};
}

Status wait_server_sync(const LogServerPlace& place, const WaitCommand& command) {
  if (command.vdisk.empty()) {
    return fail(Code::kInvalidArgument,
                "wait-slave-sync: --server: the server may have many vdisks, say which one");
  }
  TLOG_ASSIGN(const auto talk, begin(place));
  protocol::Hello hello;
  hello.role = protocol::Role::kReader;
  hello.client = fmt::format("tlogctl:{}", ::getpid());
  hello.format.name = command.vdisk;
  TLOG_TRY(hand_over_key(*talk, place.master_key_file, hello));
  talk->say(std::move(hello));
  // It opens the log for that, from stores that may be slow.
  TLOG_ASSIGN(const protocol::Message welcome, talk->hear(4 * kAnswerMs));
  if (!std::holds_alternative<protocol::Welcome>(welcome)) {
    return fail(Code::kCorruption, fmt::format("{}: {} came instead of Welcome", place.address,
                                               protocol::message_name(welcome)));
  }
  talk->say(protocol::WaitSlaveSync{.id = 1, .timeout_ns = command.timeout_ms * kNsPerMs});
  TLOG_ASSIGN(const protocol::Reply reply,
              hear_reply(*talk, place, command.timeout_ms + kAnswerMs));
  const Sequence sequence = reply.sequences.empty() ? 0 : reply.sequences.front();
  const std::string text =
      command.json
          ? Json{{"vdisk", command.vdisk}, {"server", place.address}, {"sequence", sequence}}.dump(
                2, ' ', false, Json::error_handler_t::replace)
          : fmt::format("vdisk {}: the standby of {} has everything up to sequence {}",
                        command.vdisk, place.address, sequence);
  std::puts(text.c_str());
  return {};
}

}  // namespace tlog::ctl
