// SyncWaits: who waits until a standby has something, and what is known of it for that. A wait is
// answered by what the standby's servers have said since it began, never by what they had before:
// one may have been emptied meanwhile.
//
// Threading: the loop's. Lifetime: by shared_ptr; timers hold it weakly.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "server/serve/slave_sync.h"
#include "tlog/io/loop.h"

namespace tlog::server {

class SyncWaits : public std::enable_shared_from_this<SyncWaits> {
 public:
  SyncWaits(io::Loop& loop, std::string vdisk, std::function<void(Sequence)> on_synced)
      : loop_(loop), vdisk_(std::move(vdisk)), on_synced_(std::move(on_synced)) {}

  struct News {
    Sequence has = 0;
    std::uint64_t answered = 0;  // of those who have asked: the servers have been asked since
    std::string state = "starting";
    std::string reason;     // why it does not go on
    bool hopeless = false;  // and will not by itself
  };
  void hear(News news);
  // `asked`: News::answered of what answers it.
  void add(Sequence target, std::uint64_t asked, std::uint64_t timeout_ns,
           SlaveSync::Standby::Done done);
  void end();  // who waits is told; nothing is told afterwards

  Sequence synced() const { return synced_; }
  const News& news() const { return news_; }

 private:
  static constexpr std::size_t kWaitsMax = 256;  // for one vdisk
  struct Wait {
    Sequence target = 0;
    std::uint64_t asked = 0;
    std::uint64_t timeout_ns = 0;
    SlaveSync::Standby::Done done;
    io::TimerId timer = 0;
  };
  using Waits = std::list<Wait>;
  bool settle(Waits::iterator wait);
  void answer(Waits::iterator wait, Result<Sequence> result);
  std::string because() const { return news_.reason.empty() ? "" : ": " + news_.reason; }

  io::Loop& loop_;
  const std::string vdisk_;
  const std::function<void(Sequence)> on_synced_;
  News news_;
  Sequence synced_ = 0;  // the most it has had
  bool ended_ = false;
  Waits waits_;
};

}  // namespace tlog::server
