// What a client says on its control connection.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "server/serve/session.h"
#include "server/serve/status_json.h"

namespace tlog::server {
namespace {

constexpr std::size_t kFlushesMax = 1024;
constexpr unsigned kWaitsMax = 64;
constexpr std::uint64_t kSyncTimeoutMax = 3'600'000'000'000;

}  // namespace

void Session::said(protocol::FrameType type, Buffer body) {
  if (ended_) return;
  if (type != protocol::FrameType::kMessage) {
    return end(Error(Code::kInvalidArgument,
                     "control connection: records came; they go on the data connection"));
  }
  auto message = protocol::decode_and_wipe(body.span());
  if (!message) return end(message.error().within("control connection"));
  std::visit([this](const auto& each) { handle(each); }, *message);
}

template <class Unexpected>
void Session::handle(const Unexpected& message) {
  end(Error(Code::kInvalidArgument,
            fmt::format("control connection: {} is not expected in a session that has begun",
                        protocol::message_name(protocol::Message(message)))));
}

void Session::reply(std::uint64_t id, Result<Sequence> result) {
  if (ended_) return;
  protocol::Reply reply{.id = id, .error = {}, .sequences = {}, .text = {}};
  if (result)
    reply.sequences = {*result};
  else
    reply.error = result.error();
  control_->say(std::move(reply));
}

void Session::handle(const protocol::ForceFlush& request) {
  if (!is_writer()) {
    return reply(request.id, fail(Code::kInvalidArgument,
                                  "flush: this session only reads; its writer can flush"));
  }
  if (request.sequence <= hosted_->stored) {
    tell_progress(true);
    return reply(request.id, hosted_->stored);
  }
  if (flushes_.size() >= kFlushesMax) {
    return reply(request.id,
                 fail(Code::kUnavailable,
                      fmt::format("flush: {} wait already; wait for their replies", kFlushesMax)));
  }
  flushes_.emplace(request.sequence, request.id);
  force_arrived();
}

// The records may still be on their way on the other connection, when they are asked for here.
void Session::force_arrived() {
  ServedLog* log = this->log();
  if (log == nullptr) return;  // it is being closed, and stores all that it has
  const auto behind = flushes_.upper_bound(log->taken());
  if (behind == flushes_.begin()) return;
  const Sequence wanted = std::prev(behind)->first;
  if (wanted <= forced_) return;
  forced_ = wanted;
  log->force(wanted);
}

void Session::reply_stored() {
  while (!flushes_.empty() && flushes_.begin()->first <= hosted_->stored) {
    const std::uint64_t id = flushes_.begin()->second;
    flushes_.erase(flushes_.begin());
    reply(id, hosted_->stored);
  }
}

// The writer's own, or, for who only reads, the one that is being written here.
Result<HostedLog*> Session::followed_log() const {
  const std::string& vdisk = wish_.hello.format.name;
  HostedLog* hosted = hosted_.get();
  if (view_) {
    const auto found = registry_->logs().find(vdisk);
    if (found == registry_->logs().end()) {
      return fail(Code::kNotFound,
                  fmt::format("wait: {}: nobody writes it through this server now; ask the server "
                              "that its host is connected to",
                              vdisk));
    }
    hosted = found->second.get();
  }
  if (hosted->log == nullptr) {
    return fail(Code::kShutdown,
                fmt::format("wait: {}: its log is being {}; ask again", vdisk,
                            hosted->state == HostedLog::State::kOpening ? "opened" : "closed"));
  }
  if (hosted->standby) return hosted;
  const std::string why =
      !hosted->no_standby.empty() ? hosted->no_standby
      : core_->options.slave_sync == nullptr
          ? "this server keeps no standbys; start it with --with-slave-sync"
          : "neither its client nor this server's configuration asks for a standby; set tlog: "
            "{slaveSync: true} and slaveStorage in the server's file";
  return fail(Code::kNotSupported, fmt::format("wait: {}: {}", vdisk, why));
}

void Session::handle(const protocol::WaitSlaveSync& request) {
  auto followed = followed_log();
  if (!followed) return reply(request.id, fail(followed.error()));
  HostedLog& hosted = **followed;
  if (waits_ >= kWaitsMax) {
    return reply(request.id,
                 fail(Code::kUnavailable,
                      fmt::format("wait: {} wait already; wait for their replies", kWaitsMax)));
  }
  ++waits_;
  const Sequence target = hosted.log->taken();
  hosted.log->force(target);
  hosted.standby->wait(target, std::min(request.timeout_ns, kSyncTimeoutMax),
                       [weak = weak_from_this(), id = request.id](Result<Sequence> synced) {
                         const auto self = weak.lock();
                         if (!self) return;
                         --self->waits_;
                         if (self->ended_) return;
                         self->tell_progress(true);
                         self->reply(id, std::move(synced));
                       });
}

void Session::handle(const protocol::StatusRequest& request) {
  protocol::Reply reply{.id = request.id, .error = {}, .sequences = {}, .text = {}};
  const ServedLog* log = this->log();
  reply.text =
      session_json(*core_, status(), log ? std::optional(log->log_status()) : std::nullopt);
  control_->say(std::move(reply));
}

void Session::handle(const protocol::Echo& echo) {
  protocol::Echo answer = echo;
  answer.server_ns = core_->parts.clock->wall_ns();
  control_->say(answer);
}

}  // namespace tlog::server
