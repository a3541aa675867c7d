#include "tlog/base/clock.h"

#include <ctime>

#include "tlog/base/environment.h"

namespace tlog {
namespace {

std::uint64_t read_clock(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

class SystemClock final : public Clock {
 public:
  TimestampNs wall_ns() const override {
    return thread_environment != nullptr ? thread_environment->wall_ns()
                                         : read_clock(CLOCK_REALTIME);
  }
  std::uint64_t monotonic_ns() const override {
    return thread_environment != nullptr ? thread_environment->monotonic_ns()
                                         : read_clock(CLOCK_MONOTONIC);
  }
};

}  // namespace

const Clock& system_clock() {
  static constinit const SystemClock clock;
  return clock;
}

std::chrono::steady_clock::time_point steady_now() {
  return std::chrono::steady_clock::time_point(
      std::chrono::nanoseconds(system_clock().monotonic_ns()));
}

}  // namespace tlog
