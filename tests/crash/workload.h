// File: tests/crash/workload.h
// The next random request of a crash round. The seed fixes the sequence of requests; their timing
// is the machine's. Threading: a value, one thread.
#pragma once

#include <cstdint>
#include <random>

#include "tests/crash/history.h"

namespace tlog::crash {

struct WorkloadOptions {
  std::uint64_t cells = 0;  // of the disk
  std::uint64_t request_bytes_max = 64 * kKiB;
  bool flushes = true;  // FLUSH and FUA
  bool reads = true;
};

class Workload {
 public:
  Workload(const WorkloadOptions& options, std::uint64_t seed);
  Request next();  // without connection and ticks

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  bool chance(std::uint64_t percent) { return below(100) < percent; }
  void place(Request& request);

  const WorkloadOptions options_;
  std::mt19937_64 random_;
  // A round leans towards few hot spots or towards the whole disk, so that both many and no
  // overlaps are met.
  std::uint64_t hot_percent_;
  std::uint64_t hot_cells_[4];
};

}  // namespace tlog::crash
