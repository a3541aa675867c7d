// File: tests/unit/ctl/fake_engine.h
// An engine that does what a test tells it, for the control server. Threading: any thread.
#pragma once

#include <chrono>
#include <map>

#include "tlog/base/mutex.h"
#include "tlog/session/engine.h"

namespace tlog::testing {

class FakeVdisk final : public session::Vdisk {
 public:
  explicit FakeVdisk(std::string name) : name_(std::move(name)) { status_.name = name_; }

  // Flushes end when `stored` reaches what was appended; until then they wait for their timeout.
  void set_watermarks(session::Watermarks watermarks) {
    MutexLock lock(mutex_);
    status_.watermarks = watermarks;
    changed_.notify_all();
  }
  void fail_with(Error error) {
    MutexLock lock(mutex_);
    error_ = std::make_unique<Error>(std::move(error));
  }
  void set_stores(std::vector<store::StoreStatus> stores) {
    MutexLock lock(mutex_);
    status_.stores = std::move(stores);
  }
  unsigned flushes_waiting() {
    MutexLock lock(mutex_);
    return flushes_waiting_;
  }

  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return 0; }
  std::uint32_t block_size() const override { return 4096; }
  bool read_only() const override { return false; }
  Status read(std::uint64_t, ByteSpan) override { return unused(); }
  Status write(std::uint64_t, ConstByteSpan, bool) override { return unused(); }
  Status discard(std::uint64_t, std::uint64_t, bool) override { return unused(); }
  Status zero(std::uint64_t, std::uint64_t, bool, bool) override { return unused(); }
  Status flush() override { return unused(); }
  Result<std::vector<blocks::Extent>> extents(std::uint64_t, std::uint64_t) override {
    return unused();
  }

  Result<Sequence> mark(const std::string& name) override {
    MutexLock lock(mutex_);
    if (error_) return fail(*error_);
    marks_.push_back(name);
    return ++status_.watermarks.appended;
  }
  Status scrub(const flush::ScrubOptions& options) override {
    MutexLock lock(mutex_);
    if (error_) return fail(*error_);
    status_.log.scrub = {.running = false,
                         .deep = options.deep,
                         .repair = options.repair,
                         .runs = status_.log.scrub.runs + 1,
                         .checked = 60,
                         .wrong = options.deep ? 2U : 0U,
                         .first_finding = options.deep ? "aggregation 3" : ""};
    return {};
  }
  Result<Sequence> flush_to_stores(std::uint64_t timeout_ns) override {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(timeout_ns);
    MutexLock lock(mutex_);
    if (error_) return fail(*error_);
    const Sequence target = status_.watermarks.appended;
    ++flushes_waiting_;
    while (status_.watermarks.stored < target && changed_.wait_until(mutex_, deadline)) {
    }
    --flushes_waiting_;
    if (status_.watermarks.stored < target)
      return fail(Code::kTimeout, "flush: not stored in time");
    return target;
  }
  // Waits until what was appended at the call is synced; until then for its timeout.
  Result<Sequence> wait_slave_sync(std::uint64_t timeout_ns) override {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(timeout_ns);
    MutexLock lock(mutex_);
    TLOG_TRY(check_standby());
    const Sequence target = status_.watermarks.appended;
    ++syncs_waiting_;
    while (status_.standby->synced.sequence < target && !stopping_ &&
           changed_.wait_until(mutex_, deadline)) {
    }
    --syncs_waiting_;
    if (status_.standby->synced.sequence >= target) return target;
    if (stopping_) return fail(Code::kShutdown, "wait for slave sync: vm1: the vdisk is closing");
    return fail(Code::kTimeout, "wait for slave sync: vm1: has " +
                                    std::to_string(status_.standby->synced.sequence) + " of " +
                                    std::to_string(target));
  }
  // While it is held it waits for release_failover(), stop_waiting() or its timeout.
  Result<session::Receipt> fail_over(const session::FailoverOptions& options) override {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(options.timeout_ns);
    MutexLock lock(mutex_);
    TLOG_TRY(check_standby());
    failovers_.push_back(options);
    ++failovers_waiting_;
    while (failover_held_ && !stopping_ && changed_.wait_until(mutex_, deadline)) {
    }
    --failovers_waiting_;
    if (stopping_) return fail(Code::kShutdown, "failover: vm1: the vdisk is being closed");
    if (failover_held_) return fail(Code::kTimeout, "failover: vm1: nothing has changed");
    session::StandbyStatus& standby = *status_.standby;
    session::Receipt receipt;
    receipt.vdisk = name_;
    receipt.from = standby.active;
    receipt.to = standby.standby;
    receipt.cause = "asked for";
    receipt.pause_ns = 12'345'678;
    receipt.appended = status_.watermarks.appended;
    receipt.log = receipt.standby = standby.synced;
    receipt.lost = lost_;
    receipt.path = "receipts/1";
    std::swap(standby.active, standby.standby);
    standby.state = options.keep_following ? session::StandbyState::kInSync
                                           : session::StandbyState::kFailedOver;
    standby.last_receipt = receipt;
    return receipt;
  }
  // Catches up in three looks at the status.
  Status resync(const session::ResyncOptions& options) override {
    MutexLock lock(mutex_);
    if (error_) return fail(*error_);
    if (!status_.standby) return unused();
    if (status_.standby->state == session::StandbyState::kDiverged && !options.force) {
      return fail(Code::kUnavailable, "resync: vm1: sequences 5 to 9 would be discarded; --force");
    }
    status_.standby->state = session::StandbyState::kCatchingUp;
    status_.standby->reason.clear();
    looks_left_ = resync_held_ ? 0 : 3;
    return {};
  }
  session::VdiskStatus status() const override {
    MutexLock lock(mutex_);
    if (looks_left_ > 0 && --looks_left_ == 0) {
      status_.standby->state = session::StandbyState::kInSync;
      status_.standby->synced.sequence = status_.watermarks.appended;
    }
    return status_;
  }

  void set_standby(session::StandbyStatus standby) {
    MutexLock lock(mutex_);
    status_.standby = std::move(standby);
    changed_.notify_all();
  }
  void set_alarms(std::vector<std::string> alarms) {
    MutexLock lock(mutex_);
    status_.alarms = std::move(alarms);
  }
  void hold_failover(bool hold) {
    MutexLock lock(mutex_);
    failover_held_ = hold;
    changed_.notify_all();
  }
  // Resyncs begin and do not end.
  void hold_resync() {
    MutexLock lock(mutex_);
    resync_held_ = true;
  }
  void lose(std::vector<session::LostRange> lost) {
    MutexLock lock(mutex_);
    lost_ = std::move(lost);
  }
  void stop_waiting() {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  std::vector<session::FailoverOptions> failovers() const {
    MutexLock lock(mutex_);
    return failovers_;
  }
  unsigned syncs_waiting() const {
    MutexLock lock(mutex_);
    return syncs_waiting_;
  }
  unsigned failovers_waiting() const {
    MutexLock lock(mutex_);
    return failovers_waiting_;
  }
  std::vector<std::string> marks() const {
    MutexLock lock(mutex_);
    return marks_;
  }

 private:
  static tl::unexpected<Error> unused() {
    return fail(Code::kNotSupported, "the control server does not do this");
  }

  Status check_standby() const REQUIRES(mutex_) {
    if (error_) return fail(*error_);
    if (!status_.standby) return unused();
    const session::StandbyState state = status_.standby->state;
    if (state == session::StandbyState::kFailedOver || state == session::StandbyState::kDiverged) {
      return fail(Code::kUnavailable, "standby: vm1: " + status_.standby->reason);
    }
    return {};
  }

  const std::string name_;
  mutable Mutex mutex_;
  CondVar changed_;
  mutable session::VdiskStatus status_ GUARDED_BY(mutex_);
  mutable unsigned looks_left_ GUARDED_BY(mutex_) = 0;  // until a resync has ended
  std::vector<session::FailoverOptions> failovers_ GUARDED_BY(mutex_);
  std::vector<session::LostRange> lost_ GUARDED_BY(mutex_);
  bool failover_held_ GUARDED_BY(mutex_) = false;
  bool resync_held_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  unsigned syncs_waiting_ GUARDED_BY(mutex_) = 0;
  unsigned failovers_waiting_ GUARDED_BY(mutex_) = 0;
  std::vector<std::string> marks_ GUARDED_BY(mutex_);
  std::unique_ptr<Error> error_ GUARDED_BY(mutex_);
  unsigned flushes_waiting_ GUARDED_BY(mutex_) = 0;
};

inline blocks::PartStatus usable_part(const std::string& name, Sequence has = 0,
                                      Sequence wanted = 0) {
  blocks::PartStatus part;
  part.server.name = name;
  part.server.usable = true;
  part.has = has;
  part.wanted = wanted;
  return part;
}

// In sync up to `sequence`.
inline session::StandbyStatus standby_in_sync(Sequence sequence) {
  session::StandbyStatus standby;
  standby.state = session::StandbyState::kInSync;
  standby.active = "primary";
  standby.standby = "standby";
  standby.was_complete = true;
  standby.synced = {.epoch = 3, .sequence = sequence, .number = 7};
  standby.synced.hash.bytes.fill(0xab);
  standby.failover_after_ns = 5'000'000'000;
  return standby;
}

class FakeEngine final : public session::Engine {
 public:
  // Two vdisks, of which only the first is open.
  FakeEngine() : first(std::make_shared<FakeVdisk>("vm1")) {
    config_.vdisks.resize(2);
    config_.vdisks[0].name = "vm1";
    config_.vdisks[0].storage_cluster = "primary";
    config_.vdisks[0].slave = {.cluster = "standby", .lag = {.max_ns = 2'000'000'000}};
    config_.vdisks[1].name = "vm2";
    config_.vdisks[1].size = 5 * kMiB;
  }
  const std::shared_ptr<FakeVdisk> first;

  Status prepare() override { return {}; }
  Status start() override { return {}; }
  void stop_waiting() override { first->stop_waiting(); }
  void stop(std::uint64_t) override {}
  void set_leases(std::vector<session::LeaseStatus> leases) { leases_ = std::move(leases); }
  std::vector<session::LeaseStatus> leases() const override { return leases_; }
  std::shared_ptr<const config::Config> configuration() const override {
    return std::make_shared<const config::Config>(config_);
  }
  std::vector<config::Refusal> reconfigure(const config::Config&) override {
    return {{"", "the control server does not do this"}};
  }
  std::vector<std::string> vdisk_names() const override { return {"vm1", "vm2"}; }
  Result<std::shared_ptr<session::Vdisk>> open(const std::string& name, bool read_only) override {
    if (name == "vm1" && read_only) return std::shared_ptr<session::Vdisk>(first);
    return fail(Code::kNotFound, "open: vdisk " + name + ": was never written");
  }
  std::vector<session::VdiskStatus> status() const override { return {first->status()}; }
  Result<session::TakeoverReport> take_over(const std::string&, const session::TakeoverOptions&,
                                            const session::TakeoverProgress&) override {
    return fail(Code::kNotSupported, "no server takes a vdisk over");
  }

 private:
  config::Config config_;
  std::vector<session::LeaseStatus> leases_;  // set before the server is asked
};

}  // namespace tlog::testing
