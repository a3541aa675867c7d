#include "tlog/session/pacing.h"

#include <algorithm>

namespace tlog::session {
namespace {

constexpr std::uint64_t kMeasureNs = 50'000'000;
constexpr double kNewShare = 0.2;                // of a new measurement in the rate
constexpr std::uint64_t kQuietNs = 300'000'000;  // then what was measured before says nothing

}  // namespace

void Pacing::measure(std::uint64_t releasable, bool is_slow, std::uint64_t now_ns) {
  // Who is slowed down asks seldom.
  if (!is_slow && now_ns > asked_ns_ + kQuietNs) begun_ = known_ = false;
  asked_ns_ = now_ns;
  if (!begun_ || releasable < measured_at_) {
    begun_ = true;
    measured_ns_ = now_ns;
    measured_at_ = releasable;
    return;
  }
  if (now_ns < measured_ns_ + kMeasureNs) return;
  const double now =
      static_cast<double>(releasable - measured_at_) / static_cast<double>(now_ns - measured_ns_);
  rate_ = known_ ? rate_ + kNewShare * (now - rate_) : now;
  known_ = true;
  measured_ns_ = now_ns;
  measured_at_ = releasable;
}

std::uint64_t Pacing::begin_at(const Fill& fill, std::uint64_t bytes, std::uint64_t now_ns) {
  const double full =
      std::max(fill.other, static_cast<double>(fill.held) /
                               static_cast<double>(std::max<std::uint64_t>(1, fill.total)));
  measure(fill.releasable, full > kSlowFrom, now_ns);
  if (full <= kSlowFrom || !known_) {
    next_ns_ = 0;
    return now_ns;
  }
  const double share = std::max(1e-6, (1.0 - full) / (1.0 - kSlowFrom));
  const double timeout = static_cast<double>(fill.stall_timeout_ns);
  const double least = (1.0 - kSlowFrom) * static_cast<double>(fill.total) / timeout;
  const double wait = static_cast<double>(bytes) / std::max(rate_, least) * (1.0 - share) / share;
  const std::uint64_t begin = std::max(next_ns_, now_ns);
  const std::uint64_t latest = now_ns + fill.stall_timeout_ns;
  next_ns_ = std::min(latest, begin + static_cast<std::uint64_t>(std::min(wait, timeout)));
  return std::min(begin, latest);
}

}  // namespace tlog::session
