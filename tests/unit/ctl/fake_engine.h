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
  Result<Sequence> wait_slave_sync(std::uint64_t) override { return unused(); }
  Result<session::Receipt> fail_over(const session::FailoverOptions&) override { return unused(); }
  Status resync(const session::ResyncOptions&) override { return unused(); }
  session::VdiskStatus status() const override {
    MutexLock lock(mutex_);
    return status_;
  }
  std::vector<std::string> marks() const {
    MutexLock lock(mutex_);
    return marks_;
  }

 private:
  static tl::unexpected<Error> unused() {
    return fail(Code::kNotSupported, "the control server does not do this");
  }

  const std::string name_;
  mutable Mutex mutex_;
  CondVar changed_;
  session::VdiskStatus status_ GUARDED_BY(mutex_);
  std::vector<std::string> marks_ GUARDED_BY(mutex_);
  std::unique_ptr<Error> error_ GUARDED_BY(mutex_);
  unsigned flushes_waiting_ GUARDED_BY(mutex_) = 0;
};

class FakeEngine final : public session::Engine {
 public:
  // Two vdisks, of which only the first is open.
  FakeEngine() : first(std::make_shared<FakeVdisk>("vm1")) {
    config_.vdisks.resize(2);
    config_.vdisks[0].name = "vm1";
    config_.vdisks[1].name = "vm2";
    config_.vdisks[1].size = 5 * kMiB;
  }
  const std::shared_ptr<FakeVdisk> first;

  Status prepare() override { return {}; }
  Status start() override { return {}; }
  void stop_waiting() override {}
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
