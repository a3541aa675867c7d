// File: tests/crash/writer_process.h
// What runs inside the writer's process.
#pragma once

#include "tests/crash/writer.h"

namespace tlog::crash {

// Writes until the server is gone, `options.requests_max` is reached or SIGTERM has arrived. After
// the first answer one byte goes to `ready_fd`. The death of the server is success.
Status run_writer(const WriterOptions& options, History& history, int ready_fd);

}  // namespace tlog::crash
