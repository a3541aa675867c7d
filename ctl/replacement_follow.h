// File: ctl/replacement_follow.h
// Sees a replaced server being filled, until it is whole for every vdisk. The servers do the work:
// whether somebody looks changes nothing.
// Threading: one thread; waits as long as there is progress, and a bounded time without.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ctl/control_protocol.h"
#include "ctl/replacement.h"

namespace tlog::ctl {

// How far the new server is with a vdisk's shards or blocks.
struct Filling {
  std::string vdisk;
  bool keeps_blocks = false;
  std::string state;  // of the store; "" when nobody serves the vdisk now
  std::string condition;
  std::uint64_t done = 0;  // shards, or sequences
  std::uint64_t total = 0;
  std::uint64_t put_bytes = 0;
  bool is_whole = false;
  bool is_hopeless = false;  // a person must act
};
std::vector<Filling> fillings_of(const Replacement& replacement, const std::vector<Share>& shares,
                                 const std::vector<control::VdiskReport>& reports);
bool all_whole(const std::vector<Filling>& fillings);

// "[######....] 60 %  vm1: 600 of 1000 shards, 15.0MiB written".
std::string progress_line(const std::vector<Filling>& fillings);

using Reports = std::function<std::vector<control::VdiskReport>()>;
// kTimeout: no progress for five minutes. kUnavailable: a person must act. In both cases the
// servers go on by themselves as soon as they can.
Result<std::vector<Filling>> follow_filling(const Replacement& replacement,
                                            const std::vector<Share>& shares,
                                            const Reports& reports);

}  // namespace tlog::ctl
