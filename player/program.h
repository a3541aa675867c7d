// File: player/program.h
// `tlogplay` behind its command line: opens the configuration and the log, runs one command.
// Threading: one thread. Errors: told to the user, in the exit code.
#pragma once

#include <atomic>

#include "player/arguments.h"

namespace tlog::player {

int run_program(const Arguments& arguments, const Clock& clock, const std::atomic<bool>& stop);

}  // namespace tlog::player
