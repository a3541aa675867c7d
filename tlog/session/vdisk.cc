#include "tlog/session/vdisk.h"

namespace tlog::session {

std::string_view state_name(State state) {
  switch (state) {
    case State::kServing:
      return "serving";
    case State::kReadOnly:
      return "read-only";
    case State::kFailed:
      return "failed";
    case State::kStopped:
      return "stopped";
  }
  return "unknown";
}

}  // namespace tlog::session
