// Program: tlogserver from its flags to its end: configuration, key and credentials, then the loop,
// the workers, the Server and the pages about it; then it waits for a signal and stores what was
// received.
//
// Threading: run() is main()'s thread, and starts all others; called once, before there are any.
// Errors: printed; the exit code is that of tlogserver(1).
#pragma once

#include "server/program/arguments.h"
#include "server/program/words.h"

namespace tlog::program {

// `key`: of --priv-key; null: it was not given.
int run(const Arguments& arguments, const SecretText* key);

}  // namespace tlog::program
