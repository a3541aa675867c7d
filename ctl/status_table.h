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

// The word for how a store is, also of a server that does not say it.
std::string_view state_of(const control::StoreReport& store);

// `earlier`: the same vdisk some time before, for rates; nullptr for none.
struct Sample {
  const control::VdiskReport* report = nullptr;
  std::uint64_t monotonic_ns = 0;
};
std::string status_table(Sample now, Sample earlier);

}  // namespace tlog::ctl
