// File: tlog/session/takeover.h
// Takeover: this host goes on with a vdisk that another host has served, or that has lost its
// journal, from what is stored of it. Fences earlier writers, finds the end of the log behind that,
// claims the next epoch for a new journal of this host, and makes the block storage anew from the
// log. What of an earlier journal is on this host is moved aside, never deleted.
//
// May be repeated after any interruption: until the last step the vdisk is not served here.
// Threading: one thread, not the loop's. Errors: kAlreadyExists: this host serves it already;
// kUnavailable: too few stores answer, the end of the log is undecided, the journal is in use.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "tlog/base/result.h"
#include "tlog/base/types.h"

namespace tlog::session {

struct OpeningContext;

struct TakeoverOptions {
  bool accept_loss = false;  // cut an undecided end of the log off
  // Nobody has asked for it: refused (kUnavailable) where the writer before may have acknowledged a
  // flush that is in its journal only. With `durability: journal` that is always so, but for the
  // epoch whose writer has said at its end that everything is stored.
  bool automatic = false;
  Epoch ended_epoch = 0;
  const std::atomic<bool>* stop = nullptr;  // kShutdown as soon as it is set; borrowed
};

struct TakeoverReport {
  std::string from;           // the writer before; "" when there was none
  Epoch epoch = 0;            // claimed
  Sequence sequence = 0;      // the vdisk is what it was behind this record
  TimestampNs timestamp = 0;  // of that record
  std::string journal_aside;  // where the earlier journal is now; "" when there was none
  std::string storage_aside;  // the same for the blocks' file
};

// Of the log that is played into the block storage.
using TakeoverProgress = std::function<void(Sequence done, Sequence last)>;

Result<TakeoverReport> take_over(const OpeningContext& context, const TakeoverOptions& options,
                                 const TakeoverProgress& progress);

}  // namespace tlog::session
