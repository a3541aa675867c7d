#include "server/program/file_logger.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cerrno>
#include <ctime>

namespace tlog::program {
namespace {

std::string_view level_text(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

std::string time_text(TimestampNs now) {
  constexpr TimestampNs kSecond = 1'000'000'000;
  const std::tm utc = fmt::gmtime(static_cast<std::time_t>(now / kSecond));
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", utc, now % kSecond / 1'000'000);
}

}  // namespace

Result<FileLogger::OpenFile> FileLogger::open_file(const std::string& path) {
  // Appending, so that lines of several processes, and what cuts the file short, do no harm.
  OpenFile file(std::fopen(path.c_str(), "ae"));
  if (!file) return fail(os_error(errno, fmt::format("--logfile: open: {}", path)));
  std::setvbuf(file.get(), nullptr, _IOLBF, 0);
  return file;
}

Result<std::unique_ptr<FileLogger>> FileLogger::open(Options options) {
  std::unique_ptr<FileLogger> logger(new FileLogger(std::move(options)));
  if (!logger->options_.path.empty()) TLOG_TRY(logger->reopen());
  return logger;
}

Status FileLogger::reopen() {
  if (options_.path.empty()) return {};
  TLOG_ASSIGN(OpenFile file, open_file(options_.path));
  MutexLock lock(mutex_);
  file_.swap(file);
  return {};
}

void FileLogger::write(LogLevel level, std::string_view line) {
  if (level < options_.least) return;
  MutexLock lock(mutex_);
  if (!file_) {
    // Not with fmt::print(): it throws when nobody reads any more, or the disk is full.
    const std::string text = fmt::format("{}: {}\n", level_text(level), line);
    std::fwrite(text.data(), 1, text.size(), stderr);
    return;
  }
  const std::string text =
      fmt::format("{} {}: {}\n", time_text(options_.clock->wall_ns()), level_text(level), line);
  std::fwrite(text.data(), 1, text.size(), file_.get());
}

}  // namespace tlog::program
