// File: player/commands.h
// The commands of `tlogplay`: each reads a log, tells what it finds, and answers the program's exit
// code. Threading: one thread. Errors: told through Output, in the exit code.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "player/output.h"
#include "player/point.h"
#include "player/restore.h"
#include "tlog/walk/log_reader.h"

namespace tlog::player {

struct CommandContext {  // borrowed
  walk::LogReader& reader;
  const std::vector<std::string>& unusable_stores;  // which, and why
  Output& output;
  Progress& progress;
  const Clock& clock;
  const std::atomic<bool>& stop;
};

struct InfoOptions {
  bool marks = true;  // reads the whole log to find them
};
int show_info(CommandContext& context, const InfoOptions& options);

struct ListOptions {
  bool records = false;
  Sequence from_sequence = 0;
  std::uint64_t limit = ~std::uint64_t{0};  // lines
};
int list_log(CommandContext& context, const ListOptions& options);

int verify_log(CommandContext& context);

// The last line of a restore, and its JSON document.
int tell_restored(Output& output, const std::string& vdisk, const std::string& target,
                  const RestoreOptions& options, const RestoreReport& report);

}  // namespace tlog::player
