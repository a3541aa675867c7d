#include "ctl/log_server_talk.h"

#include <fmt/format.h>

#include <utility>

#include "tlog/base/clock.h"
#include "tlog/base/log.h"
#include "tlog/base/wipe.h"

namespace tlog::ctl {

Result<std::unique_ptr<LogServerTalk>> LogServerTalk::begin(const std::string& address,
                                                            std::shared_ptr<const net::Tls> tls,
                                                            std::uint64_t timeout_ms) {
  std::unique_ptr<LogServerTalk> talk(new LogServerTalk(address));
  TLOG_TRY(talk->connect(std::move(tls), timeout_ms));
  return talk;
}

Status LogServerTalk::connect(std::shared_ptr<const net::Tls> tls, std::uint64_t timeout_ms) {
  TLOG_ASSIGN(loop_, io::make_loop({}, null_logger()));
  TLOG_TRY(loop_->start());
  // Its outcome comes, within the timeout, before the loop is stopped.
  struct Outcome {
    Mutex mutex;
    CondVar changed;
    bool is_there GUARDED_BY(mutex) = false;
    Status status GUARDED_BY(mutex);
  };
  auto outcome = std::make_shared<Outcome>();
  loop_->post([this, outcome, tls = std::move(tls), timeout_ms] {
    net::connect_channel(*loop_, address_, tls, timeout_ms * kNsPerMs, [this, outcome](auto made) {
      if (made) channel_ = std::move(*made);
      MutexLock lock(outcome->mutex);
      if (!made) outcome->status = fail(made.error());
      outcome->is_there = true;
      outcome->changed.notify_all();
    });
  });
  {
    MutexLock lock(outcome->mutex);
    while (!outcome->is_there) outcome->changed.wait(outcome->mutex);
    if (!outcome->status) return fail(outcome->status.error().within(address_));
  }
  io::run_on(*loop_, [this] {
    is_private_ = channel_->is_private();
    channel_->start(
        {.on_frame = [this](protocol::FrameType,
                            Buffer body) { arrived(protocol::decode_and_wipe(body.span())); },
         .on_closed = [this](const Error& error) { arrived(fail(error)); }});
  });
  return {};
}

LogServerTalk::~LogServerTalk() {
  if (!loop_) return;
  if (channel_) io::run_on(*loop_, [this] { channel_.reset(); });
  loop_->stop();
}

void LogServerTalk::say(const protocol::Message& message) {
  // A key may be in it.
  auto body = std::make_shared<Buffer>(protocol::encode(message));
  loop_->post([this, body] {
    channel_->send(protocol::FrameType::kMessage, {std::as_const(*body).span()},
                   [body](const Status&) { wipe(body->span()); });
  });
}

void LogServerTalk::arrived(Result<protocol::Message> message) {
  if (message && std::holds_alternative<protocol::Progress>(*message)) return;
  MutexLock lock(mutex_);
  heard_.push_back(std::move(message));
  changed_.notify_all();
}

Result<protocol::Message> LogServerTalk::hear(std::uint64_t timeout_ms) {
  const auto deadline = steady_now() + std::chrono::milliseconds(timeout_ms);
  MutexLock lock(mutex_);
  while (heard_.empty()) {
    if (changed_.wait_until(mutex_, deadline)) continue;
    if (!heard_.empty()) break;
    return fail(Code::kTimeout,
                fmt::format("{}: the server has not answered within {} ms; is it stopped, or is "
                            "that no tlogserver?",
                            address_, timeout_ms));
  }
  auto message = std::move(heard_.front());
  heard_.pop_front();
  if (!message) return fail(message.error().within(address_));
  if (const auto* refusal = std::get_if<protocol::Refusal>(&*message))
    return fail(refusal->code, fmt::format("{}: refused: {}", address_, refusal->reason));
  if (const auto* end = std::get_if<protocol::Disconnect>(&*message))
    return fail(end->code, fmt::format("{}: it has ended: {}", address_, end->reason));
  return message;
}

}  // namespace tlog::ctl
