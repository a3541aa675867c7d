// File: slave-sync/keeper_going.h
// What a Keeper knows of one failover while it goes over: for failover.cc, which brings it to where
// it cannot be given up any more, and switching.cc, which does the rest.
#pragma once

#include "slave-sync/keeper.h"

namespace tlog::standby {

struct Keeper::Going {
  session::FailoverOptions options;
  bool automatic = false;
  std::uint64_t deadline_ns = 0;    // monotonic
  std::uint64_t held_since_ns = 0;  // likewise
  std::shared_ptr<blocks::BlockStorage> from;
  bool is_parked = false;
  session::Receipt receipt;
};

}  // namespace tlog::standby
