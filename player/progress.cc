#include "player/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace tlog::player {

namespace {
constexpr std::uint64_t kShowEveryNs = 200'000'000;
constexpr std::size_t kBarCells = 24;
constexpr std::string_view kClearLine = "\r\x1b[K";
}  // namespace

std::string format_bytes(std::uint64_t bytes) {
  static constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  if (unit == 0) return fmt::format("{} B", bytes);
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string format_duration(std::uint64_t seconds) {
  std::uint64_t hours = seconds / 3600;
  if (hours == 0) return fmt::format("{}:{:02}", seconds / 60, seconds % 60);
  return fmt::format("{}:{:02}:{:02}", hours, seconds / 60 % 60, seconds % 60);
}

Result<ProgressOptions> parse_progress(std::string_view text, bool quiet) {
  if (text == "auto") {
    bool bar = !quiet && isatty(STDERR_FILENO) == 1;
    return ProgressOptions{bar ? ProgressStyle::kBar : ProgressStyle::kNone, STDERR_FILENO};
  }
  if (text == "always") return ProgressOptions{ProgressStyle::kBar, STDERR_FILENO};
  if (text == "never") return ProgressOptions{ProgressStyle::kNone, STDERR_FILENO};
  if (text == "lines") return ProgressOptions{ProgressStyle::kLines, STDERR_FILENO};
  if (text.starts_with("fd:")) {
    int descriptor = -1;
    std::string_view digits = text.substr(3);
    auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), descriptor);
    if (status == std::errc() && end == digits.data() + digits.size() && descriptor >= 0) {
      return ProgressOptions{ProgressStyle::kLines, descriptor};
    }
  }
  return fail(Code::kInvalidArgument,
              fmt::format("--progress: '{}': not understood; expected auto, always, never, lines "
                          "or fd:N",
                          text));
}

void Progress::put(std::string_view text) const {
  // Progress that nobody reads (a closed pipe) is not an error of the command.
  while (!text.empty()) {
    ssize_t written = ::write(options_.descriptor, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void Progress::begin(std::string title, std::uint64_t total, std::uint64_t done) {
  end();
  title_ = std::move(title);
  total_ = total;
  done_at_begin_ = done;
  began_ns_ = clock_.monotonic_ns();
  shown_ns_ = 0;
  shown_percent_.reset();
  active_ = options_.style != ProgressStyle::kNone;
}

void Progress::update(std::uint64_t done, std::uint64_t bytes) {
  if (!active_) return;
  std::uint64_t now = clock_.monotonic_ns();
  if (shown_ns_ != 0 && now - shown_ns_ < kShowEveryNs) return;
  shown_ns_ = now;
  show(std::min(done, total_), bytes);
}

void Progress::complete(std::uint64_t bytes) {
  if (active_) show(total_, bytes);
  end();
}

void Progress::show(std::uint64_t done, std::uint64_t bytes) {
  double fraction = total_ == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total_);
  auto percent = static_cast<std::uint64_t>(fraction * 100);
  if (options_.style == ProgressStyle::kLines) {
    if (shown_percent_ == percent) return;
    shown_percent_ = percent;
    return put(fmt::format("{}/100\n", percent));
  }
  double seconds = static_cast<double>(clock_.monotonic_ns() - began_ns_) / 1e9;
  double speed = seconds > 0 ? static_cast<double>(bytes) / seconds : 0;
  std::string left;
  if (std::uint64_t here = done - std::min(done, done_at_begin_); here > 0 && seconds >= 1) {
    double remaining = seconds * static_cast<double>(total_ - done) / static_cast<double>(here);
    left = "  " + format_duration(static_cast<std::uint64_t>(remaining + 0.5)) + " left";
  }
  auto filled = static_cast<std::size_t>(fraction * static_cast<double>(kBarCells));
  std::string bar = std::string(filled, '=') + std::string(kBarCells - filled, ' ');
  if (filled < kBarCells) bar[filled] = '>';
  put(fmt::format("{}{} [{}] {:3}%  {:.0f} MB/s{}", kClearLine, title_, bar, percent, speed / 1e6,
                  left));
  bar_on_screen_ = true;
}

void Progress::end() {
  if (bar_on_screen_) put(kClearLine);
  bar_on_screen_ = false;
  active_ = false;
}

}  // namespace tlog::player
