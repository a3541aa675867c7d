// File: player/commands.h
// The commands of `tlogplay`: each reads a log, tells what it finds, and answers the program's exit
// code. Threading: one thread. Errors: told through Output, in the exit code.
#pragma once

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "player/output.h"
#include "player/point.h"
#include "player/restore.h"
#include "player/striped_log.h"
#include "tlog/walk/log_reader.h"

namespace tlog::player {

struct CommandContext {  // borrowed
  walk::LogReader& reader;
  const std::vector<std::string>& unusable_stores;  // which, and why
  Output& output;
  Progress& progress;
  const Clock& clock;
  const std::atomic<bool>& stop;
  const StripedLog* striped = nullptr;  // what the reader is of a striped log
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

// What a scan for shards has found (player/recover.h).
struct ScanSummary {
  std::string uuid;
  std::uint64_t shards = 0;        // of this vdisk
  std::uint64_t other_shards = 0;  // of other vdisks
  std::uint64_t rotten = 0;
  std::uint64_t misplaced = 0;
  std::uint64_t copies = 0;
  std::uint64_t foreign = 0;  // files that are no shards
  std::uint64_t unreadable = 0;
  std::uint64_t aggregations = 0;
  std::uint64_t superseded = 0;
  std::uint64_t unfinished = 0;
  std::vector<Epoch> epochs;
  std::vector<std::pair<AggregationNumber, AggregationNumber>> gaps;  // first and last missing
};

// The last line of a restore, and its JSON document. `scan`: null unless the log was found by one.
int tell_restored(Output& output, const std::string& vdisk, const std::string& target,
                  const RestoreOptions& options, const RestoreReport& report,
                  const ScanSummary* scan);

}  // namespace tlog::player
