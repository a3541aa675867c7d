#include "tlog/session/standby.h"

#include <fmt/format.h>

namespace tlog::session {

std::string_view standby_state_name(StandbyState state) {
  switch (state) {
    case StandbyState::kOff:
      return "off";
    case StandbyState::kStarting:
      return "starting";
    case StandbyState::kWaiting:
      return "waiting";
    case StandbyState::kCatchingUp:
      return "catching up";
    case StandbyState::kInSync:
      return "in sync";
    case StandbyState::kDiverged:
      return "diverged";
    case StandbyState::kFailingOver:
      return "failing over";
    case StandbyState::kFailedOver:
      return "failed over";
  }
  return "unknown";
}

std::string Receipt::text() const {
  const std::string way = fmt::format("vdisk '{}' went from cluster '{}' to '{}' at sequence {}",
                                      vdisk, from, to, standby.sequence);
  if (lost.empty()) return way + ", 0 acknowledged writes lost";
  Sequence records = 0;
  for (const LostRange& range : lost) records += range.last_sequence - range.first_sequence + 1;
  return fmt::format("{}, {} acknowledged records lost (sequences {} to {})", way, records,
                     lost.front().first_sequence, lost.back().last_sequence);
}

}  // namespace tlog::session
