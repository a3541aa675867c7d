// What the signs of life of a secondary say of it.
// Threading: pure functions.
#pragma once

#include "gateways/messages/message_log.h"
#include "server/client/log_client.h"

namespace tlog::messages {

struct HeartbeatLimits {
  // Without a sign of life for so long, or right after a connection has ended, it is suspected;
  std::uint64_t suspected_ns = 1'500'000'000;
  // for so long, or after so many failures in a row, it is unhealthy.
  std::uint64_t unhealthy_ns = 5'000'000'000;
  std::uint64_t failures_max = 5;
};

NodeHealth health_of(const client::Marker& marker, TimestampNs now, const HeartbeatLimits& limits);

// Whether it counts for the quorum: a node that was never there does not, one that may just have
// been restarted does.
bool is_present(const NodeHealth& node);

}  // namespace tlog::messages
