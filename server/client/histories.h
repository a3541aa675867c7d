// Histories: which of several servers' logs has all that was acknowledged, when they have gone
// different ways.
//
// A log may end with records of a writer that has died, which no other log has, so that they were
// never acknowledged; the next writer, while that server was away, has put others in their place,
// perhaps fewer. So the longest log is not the right one, and what servers say of themselves does
// not tell: each counts the epochs of its own stores. What tells is who could have acknowledged it:
// a record that was is in as many logs as the write concern says, which all agree with each other.
// So when all logs but fewer than that agree with one, that one has it, or is behind one of them;
// and what the others have of their own was not acknowledged.
//
// That rests on the write concern having been no smaller than it is now.
// Threading: a pure function.
#pragma once

#include <optional>
#include <vector>

#include "tlog/base/types.h"

namespace tlog::client {

struct Histories {
  std::vector<Sequence> ends;  // of the logs that are there
  // [a][b]: the last record of the shorter one is the same in both, so that all before it is.
  std::vector<std::vector<bool>> agrees;
  unsigned away = 0;           // servers whose logs are not there
  unsigned acknowledging = 1;  // so many logs have stored what was acknowledged
  bool differ() const;         // any two
};

// The longest of those that have all that was acknowledged. Nothing: it cannot be told which that
// is.
std::optional<std::size_t> right_log(const Histories& histories);

}  // namespace tlog::client
