// File: player/progress.h
// Shows how far a long command has come: a bar with rate and time left for people, lines `n/100`
// for scripts. Threading: one thread. Errors: none; what cannot be written is not shown.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tlog/base/clock.h"
#include "tlog/base/types.h"

namespace tlog::player {

enum class ProgressStyle { kNone, kBar, kLines };

struct ProgressOptions {
  ProgressStyle style = ProgressStyle::kNone;
  int descriptor = 2;
};
// "auto" (a bar when standard error is a terminal), "always" (a bar), "never", "lines" (on standard
// error), "fd:N" (lines on descriptor N).
Result<ProgressOptions> parse_progress(std::string_view text, bool quiet);

class Progress {
 public:
  Progress(ProgressOptions options, const Clock& clock) : options_(options), clock_(clock) {}
  ~Progress() { end(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // A new piece of work of `total` units, of which `done` were done before.
  void begin(std::string title, std::uint64_t total, std::uint64_t done);
  // `bytes`: handled since begin(), for the rate. Cheap; shows at most a few times a second.
  void update(std::uint64_t done, std::uint64_t bytes);
  // The work is complete: 100/100.
  void complete(std::uint64_t bytes);
  // Takes the bar away; what comes next on the terminal starts on a clean line.
  void end();

 private:
  void show(std::uint64_t done, std::uint64_t bytes);
  void put(std::string_view text) const;

  const ProgressOptions options_;
  const Clock& clock_;
  std::string title_;
  std::uint64_t total_ = 0;
  std::uint64_t done_at_begin_ = 0;
  std::uint64_t began_ns_ = 0;
  std::uint64_t shown_ns_ = 0;
  std::optional<std::uint64_t> shown_percent_;
  bool active_ = false;
  bool bar_on_screen_ = false;
};

// "1.5 GiB", "37 B". "0:05", "1:02:03".
std::string format_bytes(std::uint64_t bytes);
std::string format_duration(std::uint64_t seconds);

}  // namespace tlog::player
