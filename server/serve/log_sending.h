// LogSending: what ReadLog asks for: records of the log as they are stored, sent as batches on the
// data connection. One request at a time for a session, the others queue.
//
// Threading: loop thread; the log is read on one of Core::readers. Memory: a batch is made when the
// one before was taken by the peer's side; a thread does not wait for a peer that is slow: it reads
// on when the peer has come so far. The threads are few: a session has one of them at a time, also
// when nobody wants any more what it reads, and a long reading takes turns with others.
// Errors: told by the Reply.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>

#include "server/serve/connection.h"
#include "tlog/base/mutex.h"

namespace tlog::server {

class LogSending : public std::enable_shared_from_this<LogSending> {
 public:
  struct Source {
    Uuid vdisk;
    Epoch epoch = 0;           // the batches say it
    std::string cluster = {};  // whose stores it is read from
    // A reading of the log on a thread that may block; nothing: the log is not there any more.
    // What it holds goes when it is destroyed, on the loop's thread.
    using Read = std::function<Status(Sequence, Sequence, const ServedLog::Visitor&)>;
    std::function<Result<Read>()> begin;
  };
  using Answer = std::function<void(protocol::Reply)>;
  LogSending(std::shared_ptr<Core> core, Source source, Answer answer)
      : core_(std::move(core)), source_(std::move(source)), answer_(std::move(answer)) {}

  void request(const protocol::ReadLog& request);
  // Where it is sent; the batches are counted anew. Null: there is none any more.
  void connect(std::shared_ptr<Connection> data);
  void end();  // nothing is answered any more

 private:
  struct Job;
  void next();
  void read_on();
  static void read(const std::shared_ptr<Job>& job, const Source::Read& read);
  static Result<bool> hand_over(const std::shared_ptr<Job>& job,
                                std::span<const format::Record> records);
  void send(const std::shared_ptr<Job>& job, Buffer body, std::uint64_t number);
  void taken(const std::shared_ptr<Job>& job, const Status& status);
  void has_read(const std::shared_ptr<Job>& job, const Status& status);
  void finish(Status status);
  void drop();

  const std::shared_ptr<Core> core_;
  const Source source_;
  const Answer answer_;
  std::shared_ptr<Connection> data_;
  std::uint64_t number_ = 0;  // of the last batch on `data_`
  std::deque<protocol::ReadLog> queue_;
  std::shared_ptr<Job> job_;  // of the first in the queue
  bool reading_ = false;      // a thread is, perhaps still for a job that was dropped
  bool ended_ = false;
};

}  // namespace tlog::server
