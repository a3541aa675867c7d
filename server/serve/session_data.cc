// What comes and goes on a session's data connection.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/serve/session.h"
#include "tlog/base/wipe.h"

namespace tlog::server {

void Session::attach(std::shared_ptr<Connection> data) {
  // The newest: the one before may be half open, which its end here does not know of.
  if (auto before = std::exchange(data_, std::move(data))) {
    before->set_handlers({});
    before->close();
  }
  take_delayed(true);  // it is of the connection before
  if (ended_) return;
  batches_ = 0;
  std::weak_ptr<Session> weak = weak_from_this();
  data_->set_handlers({.on_frame =
                           [weak](protocol::FrameType type, Buffer body) {
                             if (auto self = weak.lock()) self->streamed(type, std::move(body));
                           },
                       .on_closed =
                           [weak](const Error& error) {
                             if (auto self = weak.lock()) self->data_lost(error);
                           }});
  if (is_writer()) {
    data_->set_limits(
        {.records_bytes_max = static_cast<std::uint32_t>(batch_bytes_max(core_->options))});
  }
  data_->say(protocol::Attached{});
  sending_->connect(data_);
  // Set whatever it was: taking what was delayed may have paused this connection already, and there
  // may be room since.
  pause_or_go_on();
  data_->set_reading(!paused_ && !stops_receiving_);
}

void Session::streamed(protocol::FrameType type, Buffer body) {
  if (ended_) return;
  if (type != protocol::FrameType::kRecords) {
    wipe(body.span());  // whatever it is, a key may be in it
    return end(Error(Code::kInvalidArgument,
                     "data connection: only records are expected behind Attach; messages go on "
                     "the control connection"));
  }
  // A server that stops takes nothing more: what is not received is sent again, to another one.
  if (stops_receiving_ || log() == nullptr) return;
  if (core_->options.replication_delay_ns != 0) return delay(std::move(body));
  taken(std::move(body));
}

void Session::delay(Buffer body) {
  delayed_bytes_ += body.size();
  delayed_.push_back(
      {core_->parts.clock->monotonic_ns() + core_->options.replication_delay_ns, std::move(body)});
  pause_or_go_on();
  arm_delay();
}

// For the next that will be due.
void Session::arm_delay() {
  if (delayed_.empty() || delay_timer_ != 0) return;
  const std::uint64_t now = core_->parts.clock->monotonic_ns();
  const std::uint64_t due = std::max(delayed_.front().due_ns, now + 1);
  delay_timer_ = core_->parts.loop->add_timer(due - now, [this, weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    delay_timer_ = 0;
    take_delayed(false);
  });
}

// What is due, in order.
void Session::take_delayed(bool all) {
  const std::uint64_t now = core_->parts.clock->monotonic_ns();
  while (!ended_ && !delayed_.empty() && (all || delayed_.front().due_ns <= now)) {
    Buffer body = std::move(delayed_.front().body);
    delayed_.pop_front();
    delayed_bytes_ -= body.size();
    if (log() == nullptr || stops_receiving_) continue;
    taken(std::move(body));
  }
  if (ended_) return;
  on_room();
  arm_delay();
}

void Session::taken(Buffer body) {
  if (auto taken = take(std::move(body)); !taken)
    return end(taken.error().within("data connection"));
  if (log() == nullptr) return;
  force_arrived();
  pause_or_go_on();
}

Status Session::take(Buffer body) {
  TLOG_ASSIGN(protocol::DecodedBatch decoded, protocol::decode_batch(std::move(body)));
  const format::VdiskFormat& format = log()->format();
  if (decoded.vdisk != format.vdisk) {
    return fail(Code::kInvalidArgument,
                fmt::format("batch {}: it is of vdisk {}, the session of {}", decoded.number,
                            decoded.vdisk.text(), format.vdisk.text()));
  }
  if (decoded.epoch != epoch_) {
    return fail(Code::kInvalidArgument, fmt::format("batch {}: epoch {}, the session has {}",
                                                    decoded.number, decoded.epoch, epoch_));
  }
  if (decoded.number != batches_ + 1) {
    return fail(Code::kInvalidArgument,
                fmt::format("batch {}: expected number {}", decoded.number, batches_ + 1));
  }
  ++batches_;
  std::uint64_t bytes = 0;
  Sequence last = 0;
  for (const format::Record& record : decoded.batch.records) {
    bytes += record.data.size();
    last = record.sequence;
  }
  const std::uint64_t records = decoded.batch.records.size();
  TLOG_TRY(log()->take(std::move(decoded.batch)));
  const bool is_known = hosted_->received > reached_;
  reached_ = std::max(reached_, last);
  if (is_known) tell_progress(false);
  records_ += records;
  record_bytes_ += bytes;
  core_->records += records;
  core_->record_bytes += bytes;
  return {};
}

// For want of memory: the log's own, or that of all.
void Session::pause_or_go_on() {
  if (ended_ || log() == nullptr) return;
  const bool pause = log()->full() || delayed_bytes_ >= core_->options.session_memory_bytes / 4 ||
                     !registry_->may_take(*hosted_);
  if (pause == paused_) return;
  paused_ = pause;
  if (data_ && !stops_receiving_) data_->set_reading(!pause);
}

void Session::stop_receiving() {
  stops_receiving_ = true;
  if (data_) data_->set_reading(false);
}

void Session::data_lost(const Error& error) {
  data_.reset();
  // Who sends what is no frame is told; who has merely lost the connection may attach another one.
  if (error.code() == Code::kCorruption || error.code() == Code::kNotSupported)
    return end(error.within("data connection"));
  sending_->connect(nullptr);
}

LogSending::Source Session::source() {
  Uuid vdisk = hosted_ ? hosted_->log->format().vdisk : view_->format().vdisk;
  return {.vdisk = vdisk,
          .epoch = epoch_,
          .cluster = core_->cluster_of(wish_.hello.format.name),
          .begin = [weak = weak_from_this()] {
            const auto self = weak.lock();
            return self ? self->begin_reading() : fail(Code::kShutdown, "the session has ended");
          }};
}

Result<LogSending::Source::Read> Session::begin_reading() {
  if (view_) {
    return [view = view_](Sequence first, Sequence last, const ServedLog::Visitor& visitor) {
      return view->read(first, last, visitor);
    };
  }
  ServedLog* log = this->log();
  // A log that ends waits for its readings: who asks on and on would keep it open.
  if (log == nullptr || hosted_->ending.load())
    return fail(Code::kShutdown, "the log is being closed");
  registry_->reading_begins(*hosted_);
  // The log stays until the last copy of this is gone.
  const std::shared_ptr<HostedLog> hosted(
      hosted_.get(),
      [kept = hosted_, registry = registry_](HostedLog*) { registry->reading_ends(kept); });
  return [hosted, log](Sequence first, Sequence last, const ServedLog::Visitor& visitor) {
    return log->read(first, last, [&](std::span<const format::Record> records) -> Result<bool> {
      if (hosted->ending.load()) return fail(Code::kShutdown, "the log is being closed");
      return visitor(records);
    });
  };
}

}  // namespace tlog::server
