// File: tlog/store/resp_checks.h
// Reads the vdisk's mark after what was asked before, on the same connection. A server executes the
// commands of one connection in their order, so what stands before a reading that finds the mark
// was done by a server that had not lost it. One reading serves everything of one turn of the loop,
// and leaves together with it: the server reads and answers both at once. With it comes whether the
// writer's epoch is closed: then nothing that it put counts any more.
//
// Threading: the loop's thread only.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "tlog/store/resp_connection.h"

namespace tlog::store {

class RespChecks : public std::enable_shared_from_this<RespChecks> {
 public:
  using Done = std::function<void(const Status&)>;
  RespChecks(std::shared_ptr<RespConnection> connection, std::string vdisk, io::Loop& loop)
      : connection_(std::move(connection)), vdisk_(std::move(vdisk)), loop_(loop) {}

  RespConnection& connection() const { return *connection_; }
  const std::shared_ptr<RespConnection>& shared_connection() const { return connection_; }
  // Whether there is a mark that has to be there.
  bool needed() const {
    const RespSelf& self = connection_->self();
    return self.is_writer || (self.known() != nullptr && !self.known()->server.is_nil());
  }
  // `done` after a reading that comes behind everything submitted so far.
  void add(Done done);
  // For a writer: from now on there is a reading every second, also when nothing is put.
  void watch();
  void stop_watching();

 private:
  void ask();
  Status verdict(const Result<RespReply>& reply, Epoch epoch);

  const std::shared_ptr<RespConnection> connection_;
  const std::string vdisk_;
  io::Loop& loop_;
  std::vector<Done> waiting_;
  bool asked_ = false;  // since the last look of watch()
  io::TimerId watch_timer_ = 0;
};

}  // namespace tlog::store
