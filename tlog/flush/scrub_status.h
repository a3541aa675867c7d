// File: tlog/flush/scrub_status.h
// What a scrub (scrub.h) is asked for, and what it tells. Threading: values.
#pragma once

#include <string>

#include "tlog/base/types.h"

namespace tlog::flush {

struct ScrubOptions {
  bool deep = false;
  bool repair = false;
  // Nobody waits for it: it gives way to one that somebody asks for, and to writes.
  bool background = false;
  AggregationNumber first = 1;
  // It goes on with the one before, and with its counts.
  bool continues = false;
  std::uint64_t bytes_per_second = 64 * kMiB;  // 0: as fast as the stores allow
};

struct ScrubStatus {
  bool running = false;
  bool complete = false;  // it has come to its end; otherwise it runs, or was ended before
  bool deep = false;
  bool repair = false;
  std::uint64_t runs = 0;      // begun in this life of the writer
  AggregationNumber done = 0;  // everything up to it has been looked at
  AggregationNumber last = 0;  // the last that this run looks at
  // Everything up to it is as it should be, as far as can be told: `done`, or less while shards
  // that were found there are not mended yet.
  AggregationNumber settled = 0;
  std::uint64_t checked = 0;  // shards
  std::uint64_t missing = 0;
  std::uint64_t wrong = 0;
  std::uint64_t unreachable = 0;   // nothing is known of them
  std::uint64_t mended = 0;        // of the missing and the wrong ones
  std::uint64_t missing_left = 0;  // found, and not mended yet
  std::uint64_t wrong_left = 0;
  std::uint64_t bytes = 0;         // read or looked up
  std::string first_finding = {};  // for people
};

}  // namespace tlog::flush
