#include "server/program/file_logger.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/sink.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <vector>

#include "tlog/base/mutex.h"

namespace tlog::program {

// Never written to through its buffer: what is in there would be waited for by exit().
struct CloseLogFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

namespace {

// For what waits to be written, at the end and before a new file is begun.
constexpr std::uint64_t kLastNs = 5'000'000'000;
// While that is waited for: lines that are lost meanwhile are told by nobody.
constexpr std::chrono::milliseconds kSlice{20};

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

using OpenFile = std::unique_ptr<std::FILE, CloseLogFile>;

Result<OpenFile> open_file(const std::string& path) {
  // Appending, so that lines of several processes, and what cuts the file short, do no harm.
  OpenFile file(std::fopen(path.c_str(), "ae"));
  if (!file) return fail(os_error(errno, fmt::format("--logfile: open: {}", path)));
  return file;
}

bool write_all(int number, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(number, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

std::string line_text(const FileLogger::Options& options, LogLevel level, std::string_view line) {
  if (options.path.empty()) return fmt::format("{}: {}\n", level_text(level), line);
  return fmt::format("{} {}: {}\n", time_text(options.clock->wall_ns()), level_text(level), line);
}

}  // namespace

// Where the lines go, one after the other, on the writing thread.
class LineSink final : public spdlog::sinks::sink {
 public:
  explicit LineSink(FileLogger::Options options) : options_(std::move(options)) {}

  void use(OpenFile file) {
    MutexLock lock(mutex_);
    next_file_ = std::move(file);
  }
  // Lines that the queue had no room for, ever.
  void watch(std::function<std::size_t()> overrun) { overrun_ = std::move(overrun); }

  void log(const spdlog::details::log_msg& message) override {
    take_file();
    say_what_is_lost();
    if (!put({message.payload.data(), message.payload.size()})) ++unwritten_;
    MutexLock lock(mutex_);
    ++handled_;
    changed_.notify_all();
  }
  void flush() override {}
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

  // That so many lines were handled, or lost.
  bool wait_handled(std::uint64_t lines, std::uint64_t timeout_ns) {
    const auto deadline = steady_now() + std::chrono::nanoseconds(timeout_ns);
    for (;;) {
      const std::uint64_t lost = overrun_();
      MutexLock lock(mutex_);
      if (handled_ + lost >= lines) return true;
      const auto now = steady_now();
      if (now >= deadline) return false;
      (void)changed_.wait_until(mutex_, std::min(deadline, now + kSlice));
    }
  }
  // When nothing is written any more.
  void end() {
    take_file();
    say_what_is_lost();
  }

 private:
  void take_file() {
    MutexLock lock(mutex_);
    if (next_file_) file_ = std::move(next_file_);
  }
  bool put(std::string_view text) {
    return write_all(file_ ? ::fileno(file_.get()) : STDERR_FILENO, text);
  }
  void say_what_is_lost() {
    const std::uint64_t lost = overrun_() + unwritten_;
    if (lost == said_lost_) return;
    const std::string line = fmt::format("event=log_lines_lost count={}", lost - said_lost_);
    if (put(line_text(options_, LogLevel::kWarning, line))) said_lost_ = lost;
  }

  const FileLogger::Options options_;
  std::function<std::size_t()> overrun_;
  // Of the writing thread:
  OpenFile file_;  // null: standard error
  std::uint64_t unwritten_ = 0;
  std::uint64_t said_lost_ = 0;

  Mutex mutex_;
  CondVar changed_;
  OpenFile next_file_ GUARDED_BY(mutex_);
  std::uint64_t handled_ GUARDED_BY(mutex_) = 0;
};

// The queue and its thread.
class FileLogger::Lines {
 public:
  explicit Lines(const Options& options)
      : sink_(std::make_shared<LineSink>(options)),
        pool_(std::make_shared<spdlog::details::thread_pool>(
            options.lines_max, 1, [] { ::pthread_setname_np(::pthread_self(), "tlog-log"); })),
        logger_(std::make_shared<spdlog::async_logger>(
            "tlogserver", sink_, pool_, spdlog::async_overflow_policy::overrun_oldest)) {
    // Not shared: the thread that asks is the one that the pool's end waits for.
    sink_->watch([pool = pool_.get()] { return pool->overrun_counter(); });
    logger_->set_level(spdlog::level::trace);  // what comes here is to be written
  }
  ~Lines() {
    if (flush(kLastNs)) {
      sink_->end();
      pool_.reset();  // its thread lets go of the last line's logger before ours goes
      return;
    }
    // It hangs in a write, which nothing can end, and the queue cannot be given up before: they
    // stay for the rest of the process, which is short.
    static auto* const forever = new std::vector<std::shared_ptr<spdlog::details::thread_pool>>();
    forever->push_back(pool_);
  }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;

  void use(OpenFile file) { sink_->use(std::move(file)); }
  void put(const std::string& text) {
    ++said_;
    logger_->log(spdlog::level::info, text);
  }
  bool flush(std::uint64_t timeout_ns) { return sink_->wait_handled(said_.load(), timeout_ns); }

 private:
  const std::shared_ptr<LineSink> sink_;
  std::shared_ptr<spdlog::details::thread_pool> pool_;
  const std::shared_ptr<spdlog::async_logger> logger_;
  std::atomic<std::uint64_t> said_{0};
};

FileLogger::FileLogger(Options options, std::unique_ptr<Lines> lines)
    : options_(std::move(options)), lines_(std::move(lines)) {}

FileLogger::~FileLogger() = default;

Result<std::unique_ptr<FileLogger>> FileLogger::open(Options options) {
  auto lines = std::make_unique<Lines>(options);
  if (!options.path.empty()) {
    TLOG_ASSIGN(OpenFile file, open_file(options.path));
    lines->use(std::move(file));
  }
  return std::unique_ptr<FileLogger>(new FileLogger(std::move(options), std::move(lines)));
}

Status FileLogger::reopen() {
  if (options_.path.empty()) return {};
  TLOG_ASSIGN(OpenFile file, open_file(options_.path));
  (void)flush(kLastNs);  // what hangs is written to the new one
  lines_->use(std::move(file));
  return {};
}

bool FileLogger::flush(std::uint64_t timeout_ns) {
  return lines_->flush(timeout_ns);
}

void FileLogger::write(LogLevel level, std::string_view line) {
  if (level < options_.least) return;
  lines_->put(line_text(options_, level, line));
}

}  // namespace tlog::program
