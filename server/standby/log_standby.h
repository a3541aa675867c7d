// LogStandby: the standby of one log that a tlogserver writes: a thread that follows the log with
// standby::Follower, from the log's opening until its end. Contract: SlaveSync::Standby.
//
// What it does not get it tries again by itself: servers that are away or full, a log that cannot
// be read. One that has diverged is left as it is, and looked at now and then: whoever has emptied
// it need not tell. Nothing waits for it, neither the log's writer nor its client.
//
// Threading: as SlaveSync::Standby. Its mutex is never held while somebody is waited for.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "server/standby/followed_log.h"
#include "server/standby/sync_waits.h"
#include "slave-sync/follower.h"

namespace tlog::server {

class LogStandby final : public SlaveSync::Standby {
 public:
  LogStandby(const FollowedLog::Parts& parts, std::vector<store::RespStoreOptions> servers,
             std::function<void(Sequence)> on_synced);
  ~LogStandby() override;

  void stored(Sequence sequence) override;
  Sequence synced() const override { return waits_->synced(); }
  void wait(Sequence target, std::uint64_t timeout_ns, SlaveSync::Standby::Done done) override;
  State state() const override;

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  void run();
  void round_ended(const Status& done, std::uint64_t asked);
  void tell();
  void pause(std::chrono::nanoseconds time, bool is_level);

  io::Loop& loop_;
  Logger& logger_;
  FollowedLog followed_;
  const std::shared_ptr<SyncWaits> waits_;
  std::atomic<bool> stopping_{false};
  standby::Follower follower_;
  SyncWaits::News news_;  // of the thread

  Mutex mutex_;
  CondVar changed_;
  bool more_stored_ GUARDED_BY(mutex_) = false;
  std::uint64_t asked_ GUARDED_BY(mutex_) = 0;     // how often somebody wanted to be certain
  std::uint64_t answered_ GUARDED_BY(mutex_) = 0;  // of these, whom the servers have answered since
  std::thread thread_;                             // the last to begin
};

}  // namespace tlog::server
