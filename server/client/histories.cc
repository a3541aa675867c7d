#include "server/client/histories.h"

#include <algorithm>

namespace tlog::client {

bool Histories::differ() const {
  for (const std::vector<bool>& row : agrees) {
    if (std::find(row.begin(), row.end(), false) != row.end()) return true;
  }
  return false;
}

std::optional<std::size_t> right_log(const Histories& histories) {
  std::optional<std::size_t> right;
  const std::size_t count = histories.ends.size();
  for (std::size_t one = 0; one < count; ++one) {
    const Sequence end = histories.ends[one];
    unsigned against = histories.away;  // any of them may be
    bool is_continued = false;
    for (std::size_t other = 0; other < count; ++other) {
      if (!histories.agrees[one][other]) {
        ++against;
      } else if (histories.ends[other] > end) {
        is_continued = true;  // there may be more that was acknowledged
      }
    }
    if (is_continued || against >= histories.acknowledging) continue;
    if (!right || end > histories.ends[*right]) right = one;
  }
  return right;
}

}  // namespace tlog::client
