#include "server/serve/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tlog::server {

Session::Session(Start start)
    : core_(std::move(start.core)),
      registry_(std::move(start.registry)),
      control_(std::move(start.control)),
      token_(start.token),
      wish_(std::move(start.wish)),
      hosted_(std::move(start.hosted)),
      view_(std::move(start.view)),
      on_ended_(std::move(start.on_ended)) {}

void Session::begin() {
  if (hosted_) {
    hosted_->user = this;
    epoch_ = hosted_->log->epoch();
  }
  const protocol::Welcome greeting = welcome();
  welcomed_ = {.received = greeting.received, .stored = greeting.stored.sequence, .synced = 0};
  reached_ = greeting.received;
  control_->set_limits({});
  // Of what is synced Welcome says nothing.
  teller_ = std::make_shared<ProgressTeller>(core_, control_, welcomed_);
  std::weak_ptr<Session> weak = weak_from_this();
  sending_ = std::make_shared<LogSending>(core_, source(), [weak](protocol::Reply reply) {
    if (const auto self = weak.lock(); self && !self->ended_) self->control_->say(std::move(reply));
  });
  control_->set_handlers({.on_frame =
                              [weak](protocol::FrameType type, Buffer body) {
                                if (auto self = weak.lock()) self->said(type, std::move(body));
                              },
                          .on_closed =
                              [weak](const Error& error) {
                                if (auto self = weak.lock()) self->end(error);
                              }});
  control_->say(greeting);
  tell_progress(/*now=*/false);
}

protocol::Welcome Session::welcome() const {
  protocol::Welcome welcome{.version = wish_.version,
                            .server = core_->id,
                            .session = token_,
                            .log = {},
                            .format = {},
                            .epoch = epoch_,
                            .stored = {},
                            .received = 0,
                            .created = false,
                            .settings = wish_.settings,
                            .batch_bytes_max = batch_bytes_max(core_->options),
                            .memory_bytes_max = core_->options.session_memory_bytes};
  if (view_) {
    welcome.log = view_->log_id();
    welcome.format = view_->format();
    welcome.stored = view_->position();
    welcome.received = welcome.stored.sequence;
    return welcome;
  }
  const ServedLog& log = *hosted_->log;
  welcome.log = log.log_id();
  welcome.format = log.format();
  welcome.stored = log.position();
  welcome.received = std::max(log.received(), welcome.stored.sequence);
  welcome.created = log.created();
  welcome.settings = hosted_->holder.settings;
  welcome.settings.slave_sync = hosted_->standby != nullptr;
  return welcome;
}

protocol::Progress Session::progress() const {
  if (view_) {
    const Sequence sequence = view_->position().sequence;
    return {.received = sequence, .stored = sequence, .synced = 0};
  }
  // The log may have told this already, or the standby have seen it in the stores, when the news of
  // it is still on its way to the loop.
  const Sequence stored = std::min(std::max(hosted_->stored, welcomed_.stored), reached_);
  return {.received = std::min(std::max({hosted_->received, stored, welcomed_.received}), reached_),
          .stored = stored,
          .synced = std::min(hosted_->synced, stored)};
}

void Session::tell_progress(bool now) {
  if (!ended_) teller_->tell(progress(), now);
}

void Session::on_stored() {
  if (ended_) return;
  // Whoever waits for it hears of it at once.
  const bool is_awaited = !flushes_.empty() && flushes_.begin()->first <= hosted_->stored;
  tell_progress(is_awaited);
  if (is_awaited) reply_stored();
  if (paused_) pause_or_go_on();
}

void Session::on_taken_away(const Error& why) {
  hosted_->user = nullptr;
  end(why);
}

void Session::end(const Error& why) {
  if (ended_) return;
  const auto self = shared_from_this();  // on_ended_() lets it go
  // What was stored to the last: the client need not send it again.
  tell_progress(true);
  if (ended_) return;
  note_end(why);
  const protocol::Disconnect last{.code = why.code(), .reason = why.message()};
  // Behind the reason, so that a client that looks at both finds it.
  control_->end(last, [data = data_] {
    if (data) data->close();
  });
  close(/*for_good=*/false);
}

// It will not be back: what it has sent is stored now, and the vdisk is free for another one.
void Session::client_left(const std::string& reason) {
  if (ended_) return;
  const auto self = shared_from_this();
  note_end(Error(Code::kShutdown, "the client has said goodbye: " + printable(reason)));
  control_->close();
  if (data_) data_->close();
  close(/*for_good=*/true);
}

void Session::note_end(const Error& why) {
  ended_ = true;
  core_->note(
      LogLevel::kInfo,
      fmt::format("event=session_ended vdisk={} client=\"{}\" peer={} records={} reason=\"{}\"",
                  wish_.hello.format.name, wish_.client, wish_.peer, records_, why.message()));
}

void Session::close(bool for_good) {
  teller_->end();
  sending_->end();
  if (auto data = std::exchange(data_, nullptr)) {
    data->set_handlers({});
    data->set_reading(false);
  }
  if (auto hosted = std::exchange(hosted_, nullptr); hosted && hosted->user == this)
    registry_->release(hosted, for_good);
  if (view_) view_->stop_reading();
  view_.reset();
  on_ended_(token_);
}

SessionStatus Session::status() const {
  SessionStatus status{.vdisk = wish_.hello.format.name,
                       .client = wish_.client,
                       .peer = wish_.peer,
                       .role = wish_.hello.role,
                       .epoch = epoch_,
                       .records = records_,
                       .record_bytes = record_bytes_,
                       .paused = paused_,
                       .waiting_for = {}};
  const protocol::Progress now = progress();
  status.received = now.received;
  status.stored = now.stored;
  status.synced = now.synced;
  if (const ServedLog* log = this->log()) {
    status.memory_bytes = log->memory_bytes();
    status.scrubs = log->scrubs();
    status.waiting_for = log->log_status().waiting_for;
  } else if (hosted_) {
    status.waiting_for = hosted_->waiting_for;
  }
  status.held_back = paused_ && hosted_ && hosted_->held_back;
  if (hosted_ && hosted_->standby) status.standby = hosted_->standby->state();
  return status;
}

}  // namespace tlog::server
