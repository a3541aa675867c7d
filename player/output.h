// File: player/output.h
// What a command tells: results on standard output (text, or one JSON document), notes and errors
// on standard error. Threading: one thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "player/progress.h"
#include "tlog/base/types.h"

namespace tlog::player {

enum ExitCode : int { kExitOk = 0, kExitFailed = 1, kExitUsage = 2, kExitCorruption = 3 };
ExitCode exit_code_of(const Error& error);

// Where the log is broken: the first aggregation and sequence that cannot be used.
struct Position {
  AggregationNumber aggregation = 0;
  Sequence sequence = 0;
};

class Output {
 public:
  Output(bool json, bool quiet, Progress& progress)
      : json_(json), quiet_(quiet), progress_(progress) {}

  bool json() const { return json_; }
  // A part of the result, with its line end. Text or JSON, as the command knows.
  void write(std::string_view text);
  void note(std::string_view text);     // unless quiet
  void warning(std::string_view text);  // always
  // Reports an error, also as a JSON document when asked for, and answers the program's exit code.
  int failed(const Error& error, std::optional<Position> position = std::nullopt);
  // What was written is on its way. False when the results could not be written (a full disk, a
  // closed pipe).
  bool finish();

 private:
  const bool json_;
  const bool quiet_;
  Progress& progress_;
  bool write_failed_ = false;
};

}  // namespace tlog::player
