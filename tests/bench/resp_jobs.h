// File: tests/bench/resp_jobs.h
// What a bare client does, for scripts/bench to compare with: parallel SETs, and moving all the
// strings of servers. Threading: each call uses one thread, the caller's.
// Errors: std::runtime_error.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tlog::bench {

struct SetsOptions {
  std::vector<std::string> addresses;
  std::uint64_t value_bytes = 25 * 1024;
  double seconds = 1;
};

// A round is one SET on every server at once, until all have answered. The keys are the client's
// own, a fixed number of them, and are deleted at the end. Answers the rounds' latencies.
std::vector<float> parallel_sets_us(const SetsOptions& options);

struct Moved {
  std::uint64_t keys = 0;
  std::uint64_t bytes = 0;  // of values
};

// Reads every string whose key matches `pattern`, in pipelines on all servers at once. Values of
// other types are passed over.
Moved read_all(const std::vector<std::string>& addresses, const std::string& pattern);
// Copies them from one server to another, reading and writing overlapped.
Moved copy_all(const std::string& from, const std::string& to, const std::string& pattern);

}  // namespace tlog::bench
