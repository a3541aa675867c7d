// File: tlog/flush/scrub_status.h
// What a scrub (scrub.h) is asked for, and what it tells. Threading: values.
#pragma once

#include <string>

#include "tlog/base/types.h"

namespace tlog::flush {

struct ScrubOptions {
  bool deep = false;
  bool repair = false;
  AggregationNumber first = 1;
  std::uint64_t bytes_per_second = 64 * kMiB;  // 0: as fast as the stores allow
};

struct ScrubStatus {
  bool running = false;
  bool deep = false;
  bool repair = false;
  std::uint64_t runs = 0;      // begun in this life of the writer
  AggregationNumber done = 0;  // everything up to it has been looked at
  AggregationNumber last = 0;  // the last that this run looks at
  std::uint64_t checked = 0;   // shards
  std::uint64_t missing = 0;
  std::uint64_t wrong = 0;
  std::uint64_t unreachable = 0;  // nothing is known of them
  std::uint64_t bytes = 0;        // read or looked up
  std::string first_finding;      // for people
};

}  // namespace tlog::flush
