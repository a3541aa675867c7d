#include "tlog/base/clock.h"

#include <ctime>

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
  TimestampNs wall_ns() const override { return read_clock(CLOCK_REALTIME); }
  std::uint64_t monotonic_ns() const override { return read_clock(CLOCK_MONOTONIC); }
};

}  // namespace

const Clock& system_clock() {
  static constinit const SystemClock clock;
  return clock;
}

}  // namespace tlog
