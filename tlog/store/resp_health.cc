#include "tlog/store/resp_health.h"

namespace tlog::store {

void RespHealth::set(StoreState state, std::string condition) {
  MutexLock lock(mutex_);
  state_ = state;
  condition_ = std::move(condition);
}

void RespHealth::begin(std::string name) {
  put_bytes = 0;
  get_bytes = 0;
  errors = 0;
  MutexLock lock(mutex_);
  name_ = std::move(name);
  state_ = StoreState::kConnecting;
  condition_ = "connecting";
  server_.clear();
  warning_.clear();
}

void RespHealth::set_server(std::string server, std::string warning) {
  MutexLock lock(mutex_);
  server_ = std::move(server);
  warning_ = std::move(warning);
}

void RespHealth::copy_to(StoreStatus& status) const {
  status.put_bytes = put_bytes;
  status.get_bytes = get_bytes;
  status.errors = errors;
  status.queued_bytes = queued_bytes;
  MutexLock lock(mutex_);
  status.name = name_;
  status.state = state_;
  status.usable = state_ == StoreState::kUp || state_ == StoreState::kRebuilding;
  status.condition = condition_;
  status.server = server_;
  status.warning = warning_;
}

std::string_view state_name(StoreState state) {
  switch (state) {
    case StoreState::kConnecting:
      return "connecting";
    case StoreState::kUp:
      return "up";
    case StoreState::kSuspect:
      return "suspect";
    case StoreState::kRebuilding:
      return "rebuilding";
    case StoreState::kFull:
      return "full";
    case StoreState::kBusy:
      return "busy";
    case StoreState::kDown:
      return "down";
    case StoreState::kReadOnly:
      return "read-only";
    case StoreState::kWiped:
      return "wiped";
    case StoreState::kMismatch:
      return "mismatch";
    case StoreState::kFenced:
      return "fenced";
    case StoreState::kRefused:
      return "refused";
    case StoreState::kClosed:
      return "closed";
  }
  return "unknown";
}

}  // namespace tlog::store
