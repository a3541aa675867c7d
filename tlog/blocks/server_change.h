// File: tlog/blocks/server_change.h
// ServerChange: one batch of changes on its way to one server, in pieces of which a few are under
// way at a time, so that reads get in between. All of it goes over one and the same connection;
// when that is lost, the batch has failed and is given again. Threading: the loop's thread.
#pragma once

#include "tlog/blocks/block_server.h"

namespace tlog::blocks {

class ServerChange : public std::enable_shared_from_this<ServerChange> {
 public:
  ServerChange(std::shared_ptr<BlockServer> server, BlockServer::Change change,
               BlockServer::ChangeDone done);

  void start();

 private:
  void announce();
  void look();
  void look_first(const Result<store::RespReply>& reply);
  bool is_announced(const ServerRecord& record) const;
  void pump();
  std::unique_ptr<store::RespRequest> next_zeros();
  std::unique_ptr<store::RespRequest> next_data();
  void send(std::unique_ptr<store::RespRequest> request);
  bool same_connection() const;
  void conclude();
  void look_last(const Result<store::RespReply>& reply);
  void finish(Status status);

  const std::shared_ptr<BlockServer> server_;
  const std::shared_ptr<const BlockChanges> changes_;
  const Sequence upto_;
  const std::optional<Sequence> from_;  // of a refilling
  const std::string chain_;
  BlockServer::ChangeDone done_;

  bool announced_ = false;
  bool has_sent_ = false;  // something that changes the server
  std::uint64_t incarnation_ = 0;
  std::size_t range_ = 0;         // of zeros: the one that is next
  std::uint64_t next_index_ = 0;  // in it; 0: its beginning
  std::size_t next_block_ = 0;    // of data
  unsigned under_way_ = 0;
  bool concluding_ = false;
  Status status_;
};

}  // namespace tlog::blocks
