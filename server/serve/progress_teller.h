// ProgressTeller: tells a client how far the server has come: at once when nothing was told for a
// moment, else the newest after that moment. For a client that does not read nothing piles up: the
// next is said when the one before was taken. Threading: loop thread.
#pragma once

#include <memory>

#include "server/serve/connection.h"

namespace tlog::server {

class ProgressTeller : public std::enable_shared_from_this<ProgressTeller> {
 public:
  ProgressTeller(std::shared_ptr<Core> core, std::shared_ptr<Connection> connection,
                 const protocol::Progress& known)
      : core_(std::move(core)), connection_(std::move(connection)), newest_(known), told_(known) {}

  // `now`: before this returns, because an answer follows that says the same.
  void tell(const protocol::Progress& newest, bool now);
  void end();

 private:
  bool is_news() const;
  void tell_now();

  const std::shared_ptr<Core> core_;
  const std::shared_ptr<Connection> connection_;
  protocol::Progress newest_;
  protocol::Progress told_;
  std::uint64_t told_ns_ = 0;
  unsigned under_way_ = 0;
  io::TimerId timer_ = 0;
};

}  // namespace tlog::server
