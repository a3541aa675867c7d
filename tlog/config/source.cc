#include <fmt/format.h>

#include <utility>

#include "tlog/base/mutex.h"
#include "tlog/config/config.h"
#include "tlog/config/source.h"

namespace tlog::config {
namespace {

class FileSource final : public Source {
 public:
  FileSource(io::FileSystem& files, std::string path, Logger& logger)
      : files_(files),
        path_(std::move(path)),
        logger_(logger),
        watcher_(io::make_directory_watcher()) {}

  const std::string& name() const override { return path_; }
  const std::string& path() const override { return path_; }
  // Watched first: a change after the reading is told. The links on the way to the file may be
  // other ones every time.
  Result<std::string> read() override {
    watch();
    return config::read(files_, path_);
  }
  io::WatchOutcome wait_for_change(std::uint64_t timeout_ns) override {
    return watcher_->wait(timeout_ns);
  }
  void wake() override { watcher_->wake(); }

 private:
  void watch() {
    MutexLock lock(mutex_);
    const Status watched = watcher_->watch(io::directories_on_the_way_to(path_));
    const std::string trouble = watched ? "" : watched.error().message();
    if (trouble != trouble_ && !trouble.empty()) {
      logger_.warning(
          fmt::format("event=config_not_watched reason=\"{}\" next=\"looked at now and then; "
                      "tlogctl reload looks at once\"",
                      trouble));
    }
    trouble_ = trouble;
  }

  io::FileSystem& files_;
  const std::string path_;
  Logger& logger_;
  const std::unique_ptr<io::DirectoryWatcher> watcher_;
  Mutex mutex_;
  std::string trouble_ GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Source> make_file_source(io::FileSystem& files, std::string path, Logger& logger) {
  return std::make_unique<FileSource>(files, std::move(path), logger);
}

Result<Config> load(Source& source) {
  TLOG_ASSIGN(const std::string text, source.read());
  Checked checked = check(text, source.path());
  if (checked.problems.empty()) return std::move(checked.config);
  return fail(Code::kInvalidArgument, format_problems(checked.problems, source.name()));
}

}  // namespace tlog::config
