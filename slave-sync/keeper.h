// File: slave-sync/keeper.h
// Keeper: a vdisk's standby as slave-sync keeps it: a thread that follows the log with the cluster
// that is not active, a thread that watches the active one, and the way from one to the other
// (docs/failover.md). Contract: session::Standby.
//
// A failover, step by step; until "switch" it can be given up, and nothing has changed:
//   check    slave sync is on, the standby was complete once and has not diverged
//   hold     nothing more is applied to the active cluster; writes go on into journal and overlay
//   wait     all that is acknowledged by now is stored, and the standby has it
//   record   the log's metadata says who is active from now on, on a quorum of its stores
//   switch   reads and applying go to the standby; what was held back is applied there
//   receipt  what was done, in the log of events, in status() and in a file
//
// Threading: any thread; its mutex is never held while somebody is waited for.
#pragma once

#include <thread>

#include "slave-sync/active_watch.h"
#include "slave-sync/followed_core.h"
#include "slave-sync/follower.h"
#include "tlog/session/core.h"

namespace tlog::standby {

class Keeper final : public session::Standby {
 public:
  explicit Keeper(session::StandbyParts parts);
  ~Keeper() override { stop(); }

  void start() override;
  void ask_to_stop() override;
  void stop() override;
  void on_stored() override;
  Status wait_synced(Sequence target, std::uint64_t timeout_ns) override;
  Result<session::Receipt> fail_over(const session::FailoverOptions& options) override;
  Status resync(const session::ResyncOptions& options) override;
  session::StandbyStatus status() const override;
  bool await_storage(const blocks::BlockStorage* failed, std::uint64_t deadline_ns) override;
  // While it goes over, the new settings wait for that.
  void reconfigure(const Settings& settings) override;

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Going;  // of one failover (keeper_going.h)

  // keeper.cc: following.
  void begin_following(bool discard) REQUIRES(mutex_);
  void stop_following() REQUIRES(mutex_);
  void start_threads() REQUIRES(mutex_);
  std::vector<store::RespStoreOptions> servers_of(const std::string& cluster) const
      REQUIRES(mutex_);
  void run_follower();
  void follow(Follower& follower, std::uint64_t generation);
  bool goes_on(std::uint64_t generation) const EXCLUDES(mutex_);
  bool is_over(std::uint64_t generation) const EXCLUDES(mutex_);
  void note_progress() EXCLUDES(mutex_);
  struct Round {
    std::uint64_t generation = 0;
    std::uint64_t asked = 0;  // what was asked before it
  };
  void note_round(const Status& done, const Round& round) EXCLUDES(mutex_);

  // keeper_calls.cc
  // The servers are asked where they are; wait_answer() with what this answers.
  std::uint64_t ask() EXCLUDES(mutex_);
  Status wait_answer(std::uint64_t asked, Sequence target, std::uint64_t timeout_ns)
      EXCLUDES(mutex_);
  void take_settings(const Settings& settings) REQUIRES(mutex_);
  void end_phase() REQUIRES(mutex_);
  std::string why_not_expected() const REQUIRES(mutex_);

  // watch.cc: the active cluster.
  void run_watch();
  void watch_once(ActiveWatch& watch);
  void note_lag();
  void try_automatic(const std::string& cause);

  // failover.cc
  Result<session::Receipt> go_over(const session::FailoverOptions& options,
                                   const std::string& cause, bool automatic);
  Status prepare(Going& going, Follower& follower);
  Status check_known(const Going& going, Follower& follower);
  Status check(const session::FailoverOptions& options) const REQUIRES(mutex_);
  void enter(const char* phase) EXCLUDES(mutex_);
  Status wait_for_all(const Going& going) EXCLUDES(mutex_);
  Status wait_stored(const Going& going) EXCLUDES(mutex_);
  Status still_wanted(const Going& going) EXCLUDES(mutex_);
  Status record(const Going& going, const std::string& cluster, std::uint64_t timeout_ns);
  Status park(Follower& follower);
  void give_up(const Going& going);
  void hold(bool held);
  Status check_standby(Going& going, Follower& follower);

  // switching.cc
  void take_over(Going& going, Follower& follower);
  void compare_sides(Going& going, Follower& follower);
  void go_back_to(Going& going, Sequence has) REQUIRES(core_.mutex());
  void log_lost_again(const Going& going);
  void conclude(Going& going);

  const session::StandbyParts parts_;
  FollowedCore followed_;
  session::Core& core_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::uint64_t> switches_;  // since the vdisk was created, given up ones too
  std::thread follower_thread_;
  std::thread watch_thread_;
  std::string told_refusal_;         // of the watch's thread
  std::uint64_t not_before_ns_ = 0;  // likewise: the next automatic failover

  mutable Mutex mutex_;
  CondVar changed_;
  CondVar stopped_;  // for the watch's thread, which looks at its own pace
  Settings settings_ GUARDED_BY(mutex_);
  std::optional<Settings> next_settings_ GUARDED_BY(mutex_);
  session::StandbyState state_ GUARDED_BY(mutex_) = session::StandbyState::kOff;
  std::string reason_ GUARDED_BY(mutex_);
  std::string active_ GUARDED_BY(mutex_);    // cluster
  std::string standby_ GUARDED_BY(mutex_);   // cluster
  std::string phase_ GUARDED_BY(mutex_);     // of the failover under way, "" without one
  bool started_ GUARDED_BY(mutex_) = false;  // and a thread for each, when there is a standby
  bool has_threads_ GUARDED_BY(mutex_) = false;
  bool following_ GUARDED_BY(mutex_) = false;
  bool discard_ GUARDED_BY(mutex_) = false;
  bool parked_ GUARDED_BY(mutex_) = true;  // the follower's thread follows nobody
  bool was_complete_ GUARDED_BY(mutex_) = false;
  bool more_stored_ GUARDED_BY(mutex_) = false;
  std::uint64_t asked_ GUARDED_BY(mutex_) = 0;     // how often somebody wanted to be certain
  std::uint64_t answered_ GUARDED_BY(mutex_) = 0;  // of these, whom the servers have answered since
  std::uint64_t generation_ GUARDED_BY(mutex_) = 0;  // of what is to be followed
  std::shared_ptr<Follower> follower_ GUARDED_BY(mutex_);
  std::uint64_t failing_since_ns_ GUARDED_BY(mutex_) = 0;
  std::optional<session::Receipt> last_receipt_ GUARDED_BY(mutex_);
};

// What the engine makes its standbys with.
std::unique_ptr<session::Standby> make_keeper(session::StandbyParts parts);

}  // namespace tlog::standby
