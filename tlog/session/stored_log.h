// File: tlog/session/stored_log.h
// StoredLog: the log of a vdisk whose host has the log's stores itself: seals (session/sealing.h),
// stores (flush/log_writer.h), and has it scrubbed. Contract: LogSide.
#pragma once

#include <memory>

#include "tlog/flush/hinted_stores.h"
#include "tlog/session/core.h"
#include "tlog/session/log_side.h"
#include "tlog/session/scrubbing.h"
#include "tlog/session/sealing.h"
#include "tlog/walk/log_reader.h"

namespace tlog::session {

// What the log says of itself, for a vdisk that is made after its log. Loop thread only.
struct LogNews {
  std::function<void()> on_room;  // there is room again
  std::function<void(const std::string& by)> on_fenced;
  std::string fenced_by;  // before anybody listened

  void room() const {
    if (on_room) on_room();
  }
  void fenced(const std::string& by) {
    fenced_by = by;
    if (on_fenced) on_fenced(by);
  }
};

class StoredLog final : public LogSide {
 public:
  struct Parts {
    walk::LogHead head;  // what the log has stored already
    std::vector<std::unique_ptr<store::Store>> stores;
    std::shared_ptr<flush::HintedStores> reading;  // the same, for who reads the log
    std::unique_ptr<flush::LogWriter> log;
    std::shared_ptr<LogNews> news;  // told by `log`
    const seal::Sealer* sealer = nullptr;
    io::FileSystem* files = nullptr;
    std::string scrub_path;  // see Scrubbing
  };
  explicit StoredLog(Parts parts);

  Epoch epoch() const override { return parts_.log->epoch(); }
  LogEnd end() const override { return {parts_.head.sequence, parts_.head.timestamp}; }
  const LogAccess* access() const override { return &access_; }
  void attach(Core& core, Told told) override;
  void start() override;
  void work_changed() override NO_THREAD_SAFETY_ANALYSIS;  // the core's mutex is held
  void work_here() override { seal_strand_->run_here(); }
  void reconfigure(const ServedSettings& settings) override;
  void stop_background() override { scrubbing_->stop(); }
  void close(std::uint64_t deadline_ns) override;
  void close_stores() override;
  std::string waits_for() const override { return parts_.log->status().waiting_for; }
  Status scrub(const flush::ScrubOptions& options) override { return parts_.log->scrub(options); }
  std::optional<Result<Sequence>> wait_slave_sync(Sequence, std::uint64_t) override {
    return std::nullopt;
  }
  void stop_waiting() override {}
  void add_status(VdiskStatus& status) const override;

 private:
  Parts parts_;
  const LogAccess access_;
  // Made by attach().
  Core* core_ = nullptr;
  Told told_;
  std::unique_ptr<Sealing> sealing_;
  std::unique_ptr<Strand> seal_strand_;
  std::unique_ptr<Scrubbing> scrubbing_;
};

}  // namespace tlog::session
