// File: player/source.h
// The log of one vdisk of a configuration, opened for reading only: it may be served meanwhile, and
// nothing of it is changed. Owns what the reader borrows: the ring thread, the stores, the key, the
// workers. Of a striped log all that for each stripe.
//
// Threading: one thread. Errors: those of the configuration's parts (kNotFound, kWrongKey,
// kUnavailable ...). A store that cannot be opened is not fatal: the reader does without as long as
// enough others are there.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "player/striped_log.h"
#include "tlog/config/config.h"
#include "tlog/io/workers.h"
#include "tlog/seal/sealer.h"
#include "tlog/walk/log_reader.h"

namespace tlog::player {

struct SourceEnvironment {
  io::FileSystem& files;
  Random& random;
  Logger& logger;
};

// One for each processor, up to a limit.
void start_workers(io::Workers& workers);

// The stores of a vdisk's cluster, in the cluster's order, read only. Closed by the destructor.
class OpenStores {
 public:
  static Result<std::unique_ptr<OpenStores>> open(const config::Config& config,
                                                  const config::Vdisk& vdisk,
                                                  const SourceEnvironment& environment);
  // Those of a cluster, for what is called so there.
  static Result<std::unique_ptr<OpenStores>> open_in(const config::Cluster& cluster,
                                                     const std::string& name, io::IoMode mode,
                                                     const SourceEnvironment& environment);
  ~OpenStores();

  std::vector<store::Store*> pointers() const;
  io::Loop& loop() const { return *loop_; }
  const std::vector<std::string>& unusable() const { return unusable_; }  // which, and why
  // Every store could be looked at and has not even a place for this vdisk.
  bool nothing_there() const { return absent_ == stores_.size(); }

 private:
  OpenStores() = default;
  Status add_all(const config::Cluster& cluster, const std::string& vdisk,
                 const SourceEnvironment& environment);
  void add(std::string name, Result<std::unique_ptr<store::Store>> opened);

  std::unique_ptr<io::Loop> loop_;
  std::vector<std::unique_ptr<store::Store>> stores_;
  std::vector<std::string> unusable_;
  std::size_t absent_ = 0;
};

class LogSource {
 public:
  static Result<std::unique_ptr<LogSource>> open(const config::Config& config,
                                                 const std::string& vdisk,
                                                 const SourceEnvironment& environment);
  ~LogSource();

  walk::LogReader& reader() { return striped_ ? *striped_ : *logs_.front().reader; }
  const StripedLog* striped() const { return striped_.get(); }            // null: it is not striped
  const std::vector<std::string>& unusable() const { return unusable_; }  // stores, and why

 private:
  struct OneLog {
    std::unique_ptr<OpenStores> stores;
    std::unique_ptr<walk::LogReader> reader;
  };
  LogSource() = default;
  Status open_log(std::unique_ptr<OpenStores> stores, const std::string& name,
                  const SourceEnvironment& environment);
  Status open_stripes(const config::Config& config, const config::Vdisk& vdisk,
                      const SourceEnvironment& environment);

  std::unique_ptr<seal::MasterKey> key_;
  std::unique_ptr<seal::Sealer> sealer_;
  io::Workers workers_;
  std::vector<OneLog> logs_;
  std::unique_ptr<StripedLog> striped_;
  std::vector<std::string> unusable_;
};

}  // namespace tlog::player
