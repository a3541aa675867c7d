// File: tests/bench/process_stat.h
// What the kernel has booked on a process: CPU time of all its threads, memory. For the benchmarks
// and the limits' tests.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "tlog/base/result.h"

namespace tlog::bench {

struct ProcessStat {
  std::uint64_t user_ns = 0;
  std::uint64_t system_ns = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t resident_peak_bytes = 0;
  std::uint64_t cpu_ns() const { return user_ns + system_ns; }
};

Result<ProcessStat> process_stat(pid_t pid);

}  // namespace tlog::bench
