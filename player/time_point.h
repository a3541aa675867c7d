// File: player/time_point.h
// Points in time as people type and read them.
//   2026-11-21T10:00:00Z, 2026-11-21T10:00:00.25+01:00   RFC 3339
//   2026-11-21 10:00:00                                   the same without a zone: local time
//   5m ago, 2h ago, 1d 6h ago, 90 seconds ago, now        relative to `now`
// Threading: pure, but for the process's time zone.
// Errors: kInvalidArgument naming the text and the forms that are understood.
#pragma once

#include <string>
#include <string_view>

#include "tlog/base/types.h"

namespace tlog::player {

Result<TimestampNs> parse_time(std::string_view text, TimestampNs now);
// RFC 3339, UTC, nanoseconds without trailing zeros: what parse_time() reads back to the same
// value.
std::string format_time(TimestampNs time);

}  // namespace tlog::player
