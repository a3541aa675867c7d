// File: ctl/status_table.h
// What `tlogctl status` prints for people.
// Threading: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "ctl/control_protocol.h"

namespace tlog::ctl {

// "12.3MiB": for people, not for parse_size().
std::string human_bytes(std::uint64_t bytes);

// "2026-11-22T01:02:03Z"
std::string utc_text(std::uint64_t wall_ns);
// "12.3 s"
std::string seconds_text(std::uint64_t ms);

// A line of a vdisk's table.
std::string table_row(std::string_view name, std::string_view value);

// The word for how a store is, also of a server that does not say it.
std::string_view state_of(const control::StoreReport& store);

// `earlier`: the same vdisk some time before, for rates; nullptr for none.
struct Sample {
  const control::VdiskReport* report = nullptr;
  std::uint64_t monotonic_ns = 0;
};
std::string status_table(Sample now, Sample earlier);

}  // namespace tlog::ctl
