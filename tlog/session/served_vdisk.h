// File: tlog/session/served_vdisk.h
// ServedVdisk: the Vdisk that clients are served by: its data path, the strands behind it, its
// stores and timers, wired. Contract: see Vdisk (session/vdisk.h). Made by open_vdisk()
// (session/opening.h), closed by the Engine.
#pragma once

#include <atomic>

#include "tlog/session/applying.h"
#include "tlog/session/data_path.h"
#include "tlog/session/lag.h"
#include "tlog/session/log_side.h"
#include "tlog/session/refilling.h"
#include "tlog/session/releasing.h"
#include "tlog/store/stores.h"

namespace tlog::session {

// What a new configuration may change of a vdisk that is served.
struct ServedSettings {
  config::Tlog tlog;  // its flush settings and timeouts
  // In their order; none where there are no servers.
  std::vector<store::RespStoreOptions> log_servers;
  std::vector<store::RespStoreOptions> block_servers;  // of the cluster that is active
  config::SlaveStorage slave;
  Standby::Settings standby;
};

class ServedVdisk final : public Vdisk {
 public:
  struct Parts {
    Core::Parts core;
    journal::Recovered recovered;  // becomes the record table and the overlay
    std::unique_ptr<LogSide> log;  // not attached yet
    const seal::Sealer* sealer = nullptr;
    MakeStandby make_standby;  // null: nothing follows
    StandbyParts standby;      // of one that is on a cluster; completed here
  };
  explicit ServedVdisk(Parts parts);
  ~ServedVdisk() override;  // closed, or never started

  void start();
  // Ends a failover and a wait for the standby that are under way, and those to come. Before
  // close(), from any thread.
  void stop_waiting() {
    waiting_ended_ = true;
    log_->stop_waiting();
    if (standby_) standby_->ask_to_stop();
  }
  // Refuses new calls, stores and applies what is there within the budget, ends everything. Not
  // from the loop's thread. True: all that was appended is stored and applied.
  bool close(std::uint64_t budget_ns);

  // Takes them over; not after close(). What is under way on a server that moves is repeated.
  void reconfigure(const ServedSettings& settings);
  // See BlockStorage::check_servers().
  std::vector<Status> check_block_servers(const std::vector<store::RespStoreOptions>& servers);

  const std::string& name() const override { return core_.config.name; }
  std::uint64_t size() const override { return core_.config.size; }
  std::uint32_t block_size() const override { return core_.config.block_size; }
  bool read_only() const override { return core_.config.read_only; }
  Status read(std::uint64_t offset, ByteSpan into) override {
    return data_path_.read(offset, into);
  }
  Status write(std::uint64_t offset, ConstByteSpan data, bool fua) override {
    return data_path_.write(offset, data, fua);
  }
  Status discard(std::uint64_t offset, std::uint64_t length, bool fua) override {
    return data_path_.discard(offset, length, fua);
  }
  Status zero(std::uint64_t offset, std::uint64_t length, bool may_discard, bool fua) override {
    return data_path_.zero(offset, length, may_discard, fua);
  }
  Status flush() override { return data_path_.flush(); }
  Result<std::vector<blocks::Extent>> extents(std::uint64_t offset, std::uint64_t length) override {
    return data_path_.extents(offset, length);
  }
  Result<Sequence> mark(const std::string& name) override { return data_path_.mark(name); }
  Result<Sequence> flush_to_stores(std::uint64_t timeout_ns) override {
    return data_path_.flush_to_stores(timeout_ns);
  }
  Status scrub(const flush::ScrubOptions& options) override { return log_->scrub(options); }
  Result<Sequence> wait_slave_sync(std::uint64_t timeout_ns) override;
  Result<Receipt> fail_over(const FailoverOptions& options) override;
  Status resync(const ResyncOptions& options) override;
  VdiskStatus status() const override;

 private:
  tl::unexpected<Error> no_standby(const char* operation) const;
  void adopt(journal::Recovered recovered, const LogEnd& log_end);
  void work_changed() REQUIRES(core_.mutex());
  void on_commit();
  void on_stored(Sequence sequence);
  void on_fenced(const std::string& by);
  void arm_flush_timer();
  void start_flush_timer();
  void flush_timer_fired();
  void arm_tick();
  void end_timers();
  bool drain(std::uint64_t deadline_ns);

  mutable Core core_;
  const Uuid journal_;  // whose superblock changes while status() is asked
  const std::unique_ptr<LogSide> log_;
  DataPath data_path_;
  journal::Committer committer_;
  Applying applying_;
  Releasing releasing_;
  Strand apply_strand_;
  Strand release_strand_;
  std::unique_ptr<Refilling> refilling_;  // of a vdisk whose blocks are on a cluster
  LagWatch lag_watch_;
  std::unique_ptr<Standby> standby_;  // of a vdisk with slaveStorage
  std::atomic<bool> waiting_ended_ = false;
  bool closed_ = false;   // by the closing thread
  bool drained_ = false;  // likewise
  std::atomic<bool> is_fenced_{false};
  std::atomic<bool> flush_timer_armed_{false};

  // Loop thread only:
  bool timers_ended_ = false;
  io::TimerId tick_timer_ = 0;
  io::TimerId flush_timer_ = 0;
  io::TimerId retry_timer_ = 0;
  Sequence appended_at_last_fire_ = 0;
};

}  // namespace tlog::session
