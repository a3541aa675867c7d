// File: tlog/config/check.h
// What no single value can show: whether the parts of a configuration fit together.
#pragma once

#include "tlog/config/config.h"
#include "tlog/config/problems.h"

namespace tlog::config {

// Also gives tlog.cluster its default, the only cluster, in the defaults and in every vdisk.
void check_meaning(Config& config, Problems& problems);
// A part of it: the coordination sections.
void check_coordinations(const Config& config, Problems& problems);

}  // namespace tlog::config
