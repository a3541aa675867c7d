#include "server/serve/log_sending.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "server/protocol/batch.h"

namespace tlog::server {
namespace {

constexpr std::size_t kQueueMax = 16;
constexpr std::uint64_t kPartBytes = 1 * kMiB;
constexpr std::size_t kPartRecords = 16 * kKiB;
// So long a thread waits for a peer before it does something else.
constexpr std::uint64_t kPatienceNs = 500'000'000;
// So long one has a thread while others may wait for it.
constexpr std::chrono::milliseconds kTurn(500);

// The first of them that make up one batch.
std::size_t part_of(std::span<const format::Record> records) {
  std::uint64_t bytes = 0;
  std::size_t count = 0;
  for (const format::Record& record : records) {
    if (count > 0 && (bytes + record.data.size() > kPartBytes || count == kPartRecords)) break;
    bytes += record.data.size();
    ++count;
  }
  return count;
}

Result<Buffer> encoded(const Uuid& vdisk, Epoch epoch, std::uint64_t number,
                       std::span<const format::Record> records) {
  TLOG_ASSIGN(const protocol::EncodedBatch batch,
              protocol::encode_batch(vdisk, epoch, number, records));
  Buffer body(batch.length);
  std::size_t at = 0;
  for (const ConstByteSpan piece : batch.pieces) {
    if (!piece.empty()) std::memcpy(body.data() + at, piece.data(), piece.size());
    at += piece.size();
  }
  return body;
}

}  // namespace

// One request, on both threads.
struct LogSending::Job {
  std::weak_ptr<LogSending> sending;
  std::shared_ptr<Core> core;
  Uuid vdisk;
  Epoch epoch = 0;
  Sequence last = 0;

  // Of the reading while one is under way, else of the loop.
  Sequence next = 0;
  std::uint64_t number = 0;
  bool let_go = false;  // it has ended for the peer's sake or for others', and goes on
  std::chrono::steady_clock::time_point began;
  // Of the loop.
  bool is_reading = false;
  bool is_sending = false;

  Mutex mutex;
  CondVar changed;
  bool is_busy GUARDED_BY(mutex) = false;  // a batch is on its way
  std::atomic<bool> dropped{false};

  void set_busy(bool busy) {
    {
      MutexLock lock(mutex);
      is_busy = busy;
    }
    changed.notify_all();
  }
  // False: the peer is slow.
  bool wait_until_free() {
    MutexLock lock(mutex);
    const auto deadline = steady_now() + std::chrono::nanoseconds(kPatienceNs);
    while (is_busy && !dropped.load()) {
      if (!changed.wait_until(mutex, deadline)) break;
    }
    return !is_busy && !dropped.load();
  }
};

void LogSending::request(const protocol::ReadLog& request) {
  const auto refuse = [&](Code code, const std::string& why) {
    answer_(
        {.id = request.id,
         .error = Error(code, fmt::format("read: {} to {}: {}", request.first, request.last, why)),
         .sequences = {},
         .text = {}});
  };
  if (!data_)
    return refuse(Code::kInvalidArgument, "there is no data connection to send it on; attach one");
  if (request.first == 0 || request.last < request.first)
    return refuse(Code::kInvalidArgument, "not a range of sequences, which begin with 1");
  if (queue_.size() >= kQueueMax) {
    return refuse(Code::kUnavailable,
                  fmt::format("{} requests wait already; wait for their replies", kQueueMax));
  }
  queue_.push_back(request);
  if (queue_.size() == 1) next();
}

void LogSending::next() {
  if (ended_ || queue_.empty()) return;
  job_ = std::make_shared<Job>();
  job_->sending = weak_from_this();
  job_->core = core_;
  job_->vdisk = source_.vdisk;
  job_->epoch = source_.epoch;
  job_->next = queue_.front().first;
  job_->last = queue_.front().last;
  read_on();
}

void LogSending::read_on() {
  if (core_->ended || reading_) return;
  auto read = source_.begin();
  if (!read) return finish(fail(std::move(read).error()));
  reading_ = true;
  job_->is_reading = true;
  job_->let_go = false;
  job_->number = number_;
  core_->readers.submit(source_.cluster, [job = job_, read = std::move(*read)]() mutable {
    LogSending::read(job, read);
    // What the reading holds is given back on the loop.
    auto given_back = std::make_shared<Source::Read>(std::exchange(read, {}));
    job->core->parts.loop->post([given_back] { *given_back = {}; });
  });
}

// On a thread of readers.
void LogSending::read(const std::shared_ptr<Job>& job, const Source::Read& read) {
  const Sequence first = job->next;
  job->began = steady_now();
  Status status;
  if (job->dropped.load()) {
    status = fail(Code::kShutdown, "nobody wants it any more");
  } else {
    status = read(first, job->last, [&job](std::span<const format::Record> records) {
      return hand_over(job, records);
    });
  }
  if (status && !job->let_go && job->next <= job->last) {
    status = fail(Code::kNotFound, fmt::format("the log ends with {}", job->next - 1));
  }
  job->core->parts.loop->post([job, status = std::move(status)] {
    if (const auto self = job->sending.lock()) self->has_read(job, status);
  });
}

Result<bool> LogSending::hand_over(const std::shared_ptr<Job>& job,
                                   std::span<const format::Record> records) {
  while (!records.empty()) {
    const std::size_t count = part_of(records);
    if (!job->wait_until_free()) {
      job->let_go = true;
      return false;
    }
    TLOG_ASSIGN(Buffer body,
                encoded(job->vdisk, job->epoch, job->number + 1, records.first(count)));
    ++job->number;
    job->next = records[count - 1].sequence + 1;
    job->set_busy(true);
    auto kept = std::make_shared<Buffer>(std::move(body));
    job->core->parts.loop->post([job, kept, number = job->number] {
      if (const auto self = job->sending.lock()) self->send(job, std::move(*kept), number);
    });
    records = records.subspan(count);
  }
  job->let_go = steady_now() - job->began >= kTurn;
  return !job->let_go;
}

void LogSending::send(const std::shared_ptr<Job>& job, Buffer body, std::uint64_t number) {
  if (job != job_ || !data_) return;
  number_ = number;
  job->is_sending = true;
  data_->send_records(std::move(body), [weak = weak_from_this(), job](const Status& status) {
    job->set_busy(false);
    if (const auto self = weak.lock()) self->taken(job, status);
  });
}

void LogSending::taken(const std::shared_ptr<Job>& job, const Status& status) {
  job->is_sending = false;
  if (job != job_) return;
  if (!status) return finish(fail(status.error()));
  if (job->is_reading) return;
  if (job->next > job->last) return finish({});
  read_on();
}

void LogSending::has_read(const std::shared_ptr<Job>& job, const Status& status) {
  job->is_reading = false;
  reading_ = false;
  if (job != job_) {
    if (job_) read_on();  // it has waited for this
    return;
  }
  if (!status) return finish(status);
  if (job->is_sending) return;  // it goes on when that was taken
  if (job->next > job->last) return finish({});
  read_on();
}

void LogSending::finish(Status status) {
  const protocol::ReadLog request = queue_.front();
  protocol::Reply reply{.id = request.id, .error = {}, .sequences = {}, .text = {}};
  if (status)
    reply.sequences = {request.last};
  else
    reply.error = status.error().within(fmt::format("read: {} to {}", request.first, request.last));
  queue_.pop_front();
  drop();
  answer_(std::move(reply));
  next();
}

void LogSending::drop() {
  if (!job_) return;
  job_->dropped.store(true);
  job_->set_busy(false);
  job_.reset();
}

void LogSending::connect(std::shared_ptr<Connection> data) {
  data_ = std::move(data);
  number_ = 0;
  const Error gone(Code::kUnavailable, "the data connection has ended");
  for (std::size_t count = queue_.size(); count > 0 && !queue_.empty(); --count) {
    const protocol::ReadLog request = queue_.front();
    queue_.pop_front();
    drop();
    answer_({.id = request.id, .error = gone, .sequences = {}, .text = {}});
  }
}

void LogSending::end() {
  ended_ = true;
  queue_.clear();
  drop();
  data_.reset();
}

}  // namespace tlog::server
