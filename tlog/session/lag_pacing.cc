// File: tlog/session/lag_pacing.cc
#include "tlog/session/lag_pacing.h"

#include <algorithm>

namespace tlog::session {
namespace {

// Steps are whole aggregations: two that end at about the same time are one.
constexpr std::uint64_t kMeasureLeastNs = 5'000'000;
// Of a new measurement in the rate. While little is written the rate is as little, and says nothing
// of what the stores can do: upwards it is believed sooner.
constexpr double kShareUp = 0.5;
constexpr double kShareDown = 0.2;
constexpr double kStepKept = 0.9;  // of an earlier, larger step

}  // namespace

void LagPacing::measure(const Progress& progress, std::uint64_t now_ns) {
  if (progress.behind == 0 || !begun_ || progress.reached < from_) {
    begun_ = progress.behind != 0;
    from_ = progress.reached;
    from_ns_ = now_ns;
    return;
  }
  if (progress.reached == from_ || now_ns < from_ns_ + kMeasureLeastNs) return;
  const auto step = static_cast<double>(progress.reached - from_);
  const double now = step / static_cast<double>(now_ns - from_ns_);
  step_ = std::max(step, step_ * kStepKept);
  rate_ = rate_ == 0 ? now : rate_ + (now > rate_ ? kShareUp : kShareDown) * (now - rate_);
  from_ = progress.reached;
  from_ns_ = now_ns;
}

double LagPacing::share(const Progress& progress) const {
  const auto step = static_cast<double>(std::min(progress.step, progress.behind));
  const double behind = static_cast<double>(progress.behind) + std::max(step, step_);
  const double coming = rate_ == 0 || progress.behind == 0 ? 0 : behind / rate_;
  return std::max(coming, static_cast<double>(progress.age_ns)) /
         static_cast<double>(progress.max_ns);
}

std::uint64_t LagPacing::begin_at(const Progress& progress, std::uint64_t amount,
                                  std::uint64_t wait_max_ns, std::uint64_t now_ns) {
  const double used = share(progress);
  if (used <= kSlowFrom) {
    next_ns_ = 0;
    return now_ns;
  }
  const double left = std::max(1e-6, (1.0 - used) / (1.0 - kSlowFrom));
  const auto longest = static_cast<double>(wait_max_ns);
  // Of stores that have not been seen to take anything: all that is behind, in the time there is.
  const double least = std::max(1.0, static_cast<double>(progress.behind)) / longest;
  const double rate = rate_ == 0 ? least : rate_;
  const double wait = static_cast<double>(amount) / rate * (1.0 - left) / left;
  const std::uint64_t begin = std::max(next_ns_, now_ns);
  const std::uint64_t latest = now_ns + wait_max_ns;
  next_ns_ = std::min(latest, begin + static_cast<std::uint64_t>(std::min(wait, longest)));
  return std::min(begin, latest);
}

}  // namespace tlog::session
