#include "player/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "player/export.h"
#include "player/follow.h"
#include "player/recover.h"
#include "player/restore_run.h"
#include "player/source.h"
#include "tlog/base/log.h"
#include "tlog/base/mutex.h"
#include "tlog/base/random.h"
#include "tlog/etcd/source.h"

namespace tlog::player {

namespace {

// The reader's and the stores' events are for the log of a server. Of them a tool tells what went
// wrong, each thing once, when the command has ended: they come from other threads, in the middle
// of a progress bar.
class ToolLogger final : public Logger {
 public:
  void write(LogLevel level, std::string_view line) override {
    if (level < LogLevel::kWarning) return;
    MutexLock lock(mutex_);
    bool known = std::find(lines_.begin(), lines_.end(), line) != lines_.end();
    if (!known && lines_.size() < kLinesMax) lines_.emplace_back(line);
  }
  void tell(Output& output) {
    MutexLock lock(mutex_);
    for (const std::string& line : lines_) output.warning(line);
    lines_.clear();
  }

 private:
  static constexpr std::size_t kLinesMax = 50;
  Mutex mutex_;
  std::vector<std::string> lines_ GUARDED_BY(mutex_);
};

Result<std::string> find_config(const Arguments& arguments, io::FileSystem& files) {
  if (!arguments.config.empty()) return arguments.config;
  static constexpr const char* kPlaces[] = {"tlogdisk.yml", "/etc/tlogdisk/tlogdisk.yml"};
  for (const char* place : kPlaces) {
    TLOG_ASSIGN(bool exists, files.exists(place));
    if (exists) return std::string(place);
  }
  return fail(Code::kNotFound,
              "configuration: neither ./tlogdisk.yml nor /etc/tlogdisk/tlogdisk.yml exists; name "
              "one with --config");
}

int run_command(const Arguments& arguments, const config::Config& config, CommandContext& context,
                const SourceEnvironment& environment) {
  switch (arguments.command) {
    case Arguments::Command::kInfo:
      return show_info(context, arguments.info);
    case Arguments::Command::kList:
      return list_log(context, arguments.list);
    case Arguments::Command::kVerify:
      return verify_log(context);
    default:
      break;
  }
  RestoreJob job;
  job.vdisk = arguments.vdisk;
  job.target = arguments.target;
  job.force = arguments.force;
  job.options = arguments.restore;
  return run_restore(job, context, config, environment);
}

// The commands that read the log which the vdisk's metadata describes.
int play_log(const Arguments& arguments, const Console& console, const config::Config& config,
             const SourceEnvironment& environment, ToolLogger& logger) {
  auto source = LogSource::open(config, arguments.vdisk, environment);
  logger.tell(console.output);
  if (!source) return console.output.failed(source.error());
  const std::vector<std::string>& unusable = (*source)->unusable();
  for (const std::string& reason : unusable) {
    console.output.warning("a store cannot be used: " + reason);
  }
  const StripedLog* striped = (*source)->striped();
  if (const std::string uneven = striped ? striped->uneven() : ""; !uneven.empty())
    console.output.warning(uneven);
  CommandContext context{(*source)->reader(), unusable,     console.output, console.progress,
                         console.clock,       console.stop, striped};
  return run_command(arguments, config, context, environment);
}

int recover(const Arguments& arguments, const Console& console, const config::Config& config,
            const SourceEnvironment& environment) {
  RestoreJob job;
  job.target = arguments.target;
  job.force = arguments.force;
  job.options = arguments.restore;
  ScanRequest request = arguments.scan;
  request.vdisk = arguments.vdisk;
  return run_recover(request, std::move(job), console, config, environment);
}

Result<config::Config> load_from(const std::string& path_or_url, io::FileSystem& files) {
  std::error_code ignored;  // a directory that is gone only matters to a URL's relative paths
  const etcd::Place place{path_or_url, std::filesystem::current_path(ignored).string()};
  TLOG_ASSIGN(auto source, etcd::open_source(files, place, null_logger()));
  return config::load(*source);
}

// A folder of shards and a key are enough: where no configuration is named or found, an empty one.
Result<config::Config> load_config(const Arguments& arguments, io::FileSystem& files) {
  auto path = find_config(arguments, files);
  if (path) return load_from(*path, files);
  bool needless = arguments.command == Arguments::Command::kRecover &&
                  arguments.scan.cluster.empty() && !arguments.scan.key_file.empty();
  if (needless) return config::Config{};
  return fail(path.error());
}

}  // namespace

int run_program(const Arguments& arguments, const Clock& clock, const std::atomic<bool>& stop) {
  Progress progress(arguments.progress, clock);
  Output output(arguments.json, arguments.quiet, progress);
  ToolLogger logger;
  SourceEnvironment environment{io::system_files(), system_random(), logger};

  const Console console{output, progress, clock, stop};
  if (arguments.command == Arguments::Command::kFollow) {
    const int code = run_follow(arguments.follow, arguments.restore, console, environment);
    logger.tell(output);
    return output.finish() ? code : kExitFailed;
  }
  auto config = load_config(arguments, environment.files);
  if (!config) return output.failed(config.error());
  int code = kExitOk;
  if (arguments.command == Arguments::Command::kRecover) {
    code = recover(arguments, console, *config, environment);
  } else if (arguments.command == Arguments::Command::kExportShards) {
    code = export_shards({arguments.target, arguments.vdisk}, console, *config, environment);
  } else {
    code = play_log(arguments, console, *config, environment, logger);
  }
  logger.tell(output);
  if (output.finish()) return code;
  output.warning("standard output: could not be written; the result is incomplete");
  return code == kExitOk ? kExitFailed : code;
}

}  // namespace tlog::player
