// File: tlog/base/stripe_limits.h
// The limits of a log that is spread over several others (format/stripes.h).
#pragma once

#include "tlog/base/types.h"

namespace tlog {

constexpr unsigned kStripesMax = 16;
constexpr std::uint64_t kStripeUnitRecords = 64;  // dealt out at a time; part of the format
constexpr std::size_t kStripeSuffixMax = 9;       // ".stripe15", of a stripe's name

}  // namespace tlog
