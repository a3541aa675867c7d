// File: tests/crash/tlogdisk_disk.h
// tlogdisk as the crash rig sees it: a site of its own, the server's command, and how its log
// becomes an image again.
#pragma once

#include <string>

#include "tests/crash/rig.h"
#include "tests/support/site.h"

namespace tlog::crash {

// Small enough to be read whole in every round, with a journal that these rounds wrap many times.
testing::SiteOptions crash_site_options();

// What tlogdisk promises (docs/durability.md).
constexpr Promises kTlogdiskPromises = {
    .prefix = true, .atomic = true, .keep_acked = true, .trim_zeroes = true};

ServerOptions tlogdisk_server(const testing::Site& site, unsigned threads = 16);
std::string tlogdisk_restore_command(const testing::Site& site);

// TLOG_CRASH_ROUNDS, or what is given.
unsigned crash_rounds(unsigned otherwise);
// TLOG_CRASH_SEED, or a new one.
std::uint64_t crash_seed();

}  // namespace tlog::crash
