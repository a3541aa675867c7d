#include "gateways/messages/heartbeat.h"

namespace tlog::messages {

NodeHealth health_of(const client::Marker& marker, TimestampNs now, const HeartbeatLimits& limits) {
  NodeHealth health{.address = marker.address,
                    .reason = marker.reason,
                    .heartbeat_ns = marker.heard_ns,
                    .failures = marker.failures,
                    .stored = marker.stored};
  const std::uint64_t silent_ns = now > marker.heard_ns ? now - marker.heard_ns : 0;
  const bool is_sent_to = marker.state == client::ServerState::kSending ||
                          marker.state == client::ServerState::kCatchingUp;
  const bool never = marker.heard_ns == 0;
  if (is_sent_to && silent_ns < limits.suspected_ns) {
    health.state = NodeState::kHealthy;
    health.reason.clear();
  } else if (marker.state == client::ServerState::kRefused ||
             (never ? marker.failures > 0 : silent_ns >= limits.unhealthy_ns) ||
             marker.failures >= limits.failures_max) {
    health.state = NodeState::kUnhealthy;
  }
  if (health.state != NodeState::kHealthy && health.reason.empty())
    health.reason = "it gives no sign of life";
  return health;
}

bool is_present(const NodeHealth& node) {
  return node.state != NodeState::kUnhealthy && node.heartbeat_ns != 0;
}

}  // namespace tlog::messages
