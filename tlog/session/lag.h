// File: tlog/session/lag.h
// How old the oldest acknowledged record is that is not stored, or not on the standby, against what
// the configuration promises (maxLag): measured by the records' timestamps. What keeps the promise
// is DataPath::keep_lags() (writers are slowed, wait, or are refused); LagWatch says when it is
// broken all the same.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "tlog/base/mutex.h"
#include "tlog/session/core.h"

namespace tlog::session {

constexpr std::array kLagsOf = {LagOf::kStored, LagOf::kSynced};

std::string_view lag_name(LagOf what);  // "stored", "synced"
// 0: there is no such record. Wall clock: where that was set back, the lag is short by as much.
std::uint64_t lag_ns(Core& core, LagOf what) REQUIRES(core.mutex());
// "what is acknowledged is not stored within tlog.maxLag (2s): the oldest such write is 2317ms
// old: 4 of 6 stores ..."; for errors and alarms.
std::string lag_text(const Core& core, LagOf what, std::uint64_t lag);

// Looks at the promises every now and then, also when nobody writes. One that is broken is an
// alarm, until the lag is below three quarters of it: one that moves about the promise itself would
// fill the log.
//
// Threading: every call from any thread but the loop's; looks on the loop's thread.
class LagWatch {
 public:
  explicit LagWatch(Core& core) : core_(core) {}

  void start();
  void settings_changed();
  void stop();  // it does not look any more

  // "WORD: in full", by the words of docs/failover.md; none when all is well.
  std::vector<std::string> alarms() const;

 private:
  void arm();
  void look();
  void look_at(LagOf what);

  Core& core_;
  // Loop thread only.
  io::TimerId timer_ = 0;
  bool started_ = false;

  mutable Mutex mutex_;
  std::array<std::string, kLagsOf.size()> alarms_ GUARDED_BY(mutex_);
};

}  // namespace tlog::session
