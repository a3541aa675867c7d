// File: tests/bench/nbd_load_client.h
// One connection of the load generator: keeps `depth` requests in flight and records how long each
// took. It leaves the server as much of the machine as it can: no copies, no checks, no allocation
// per request. Threading: construct and run() in one thread; Progress is shared by all connections.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/bench/process_stat.h"
#include "tlog/base/result.h"

namespace tlog::bench {

using SteadyClock = std::chrono::steady_clock;

struct LoadOptions {
  std::string uri;
  bool write = true;
  bool sequential = false;
  bool flush_each = false;  // a request is a write and the FLUSH that follows its answer
  bool fua = false;
  bool final_flush = false;
  std::uint64_t block_bytes = 4096;
  std::uint64_t depth = 1;  // over all connections
  std::uint64_t connections = 1;
  double seconds = 0;  // whichever limit comes first; 0 is none
  std::uint64_t bytes = 0;
  double warmup_seconds = 0;  // not measured; whichever comes last
  std::uint64_t warmup_bytes = 0;
  std::uint64_t range_bytes = 0;  // 0: the whole export
  std::uint64_t seed = 1;
  pid_t server_pid = 0;
};

// Who is next, and when measuring begins and ends.
class Progress {
 public:
  explicit Progress(const LoadOptions& options) : options_(options), started_(SteadyClock::now()) {}

  // False when the limit is reached: issue no more. Otherwise the request's running number.
  bool take(std::uint64_t& number);
  // Whether requests count that are issued now. The first call after the warm-up samples clock and
  // CPU time.
  bool measuring();
  void finish();  // by the last connection

  SteadyClock::duration elapsed() const { return ended_ - measured_from_; }
  const ProcessStat& stat_before() const { return before_; }
  const ProcessStat& stat_after() const { return after_; }

 private:
  ProcessStat sample() const;

  const LoadOptions& options_;
  const SteadyClock::time_point started_;
  std::atomic<std::uint64_t> issued_{0};
  std::atomic<std::uint64_t> measured_first_{0};
  std::atomic<bool> measuring_{false};
  std::mutex mutex_;
  SteadyClock::time_point measured_from_;
  SteadyClock::time_point ended_;
  ProcessStat before_;
  ProcessStat after_;
};

class LoadConnection {
 public:
  // `index` of the connection: its share of the depth, its random offsets.
  LoadConnection(const LoadOptions& options, std::uint64_t index, Progress& progress);
  ~LoadConnection();
  LoadConnection(const LoadConnection&) = delete;
  LoadConnection& operator=(const LoadConnection&) = delete;

  Status connect();
  Status run();

  const std::vector<float>& latencies_us() const { return latencies_us_; }

 private:
  struct Slot;

  bool start(Slot& slot);
  Status issue(Slot& slot, bool flush);
  Status completed(Slot& slot);
  std::uint64_t next_offset(std::uint64_t number);

  struct Handle;
  const LoadOptions& options_;
  Progress& progress_;
  std::unique_ptr<Handle> handle_;
  std::uint64_t blocks_ = 0;
  std::uint64_t random_state_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Slot*> ready_;  // completed and not yet looked at
  std::size_t in_flight_ = 0;
  std::vector<float> latencies_us_;
};

}  // namespace tlog::bench
