#include "player/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "player/source.h"
#include "player/vdisk_target.h"
#include "tlog/base/log.h"
#include "tlog/base/mutex.h"
#include "tlog/base/random.h"

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

bool same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  auto left = std::filesystem::weakly_canonical(a, error);
  auto right = std::filesystem::weakly_canonical(b, error);
  return !error && left == right;
}

// The file under a vdisk belongs to that vdisk's engine: replacing it would make a disk that its
// own log denies.
Status check_not_storage(const config::Config& config, const std::string& target) {
  for (const config::Vdisk& vdisk : config.vdisks) {
    if (!vdisk.storage_file.empty() && same_file(target, vdisk.storage_file)) {
      return fail(Code::kInvalidArgument,
                  fmt::format("restore: {}: is the block storage of vdisk {}; restore to another "
                              "file, or to a new vdisk with --to vdisk:ID",
                              target, vdisk.name));
    }
  }
  return {};
}

Result<std::unique_ptr<Target>> make_target(const TargetOptions& options,
                                            const config::Config& config,
                                            const SourceEnvironment& environment) {
  switch (kind_of_target(options.name)) {
    case TargetKind::kNbd:
      return make_nbd_target(options);
    case TargetKind::kVdisk:
      return make_vdisk_target(options, config, environment);
    case TargetKind::kPath:
      break;
  }
  TLOG_TRY(check_not_storage(config, options.name));
  return make_path_target(options, environment.files);
}

int run_restore(const Arguments& arguments, const config::Config& config, CommandContext& context,
                const SourceEnvironment& environment) {
  TargetOptions options;
  options.name = arguments.target;
  options.size = context.reader.metadata().format.size;
  options.force = arguments.force;
  options.vdisk = arguments.vdisk;
  auto target = make_target(options, config, environment);
  if (!target) return context.output.failed(target.error());
  auto note = [&](const std::string& text) { context.output.note(text); };
  Restore restore({context.reader, **target, environment.files, context.clock, context.progress,
                   context.stop, note},
                  arguments.restore);
  auto report = restore.run();
  if (report) {
    return tell_restored(context.output, arguments.vdisk, arguments.target, arguments.restore,
                         *report);
  }
  std::optional<Position> position;
  if (report.error().code() == Code::kCorruption) {
    position = Position{restore.last_aggregation() + 1, restore.report().sequence + 1};
  }
  return context.output.failed(report.error(), position);
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
    case Arguments::Command::kRestore:
      break;
  }
  return run_restore(arguments, config, context, environment);
}

}  // namespace

int run_program(const Arguments& arguments, const Clock& clock, const std::atomic<bool>& stop) {
  Progress progress(arguments.progress, clock);
  Output output(arguments.json, arguments.quiet, progress);
  ToolLogger logger;
  SourceEnvironment environment{io::system_files(), system_random(), logger};

  auto path = find_config(arguments, environment.files);
  if (!path) return output.failed(path.error());
  auto config = config::load(environment.files, *path);
  if (!config) return output.failed(config.error());
  auto source = LogSource::open(*config, arguments.vdisk, environment);
  logger.tell(output);
  if (!source) return output.failed(source.error());
  for (const std::string& reason : (*source)->stores().unusable()) {
    output.warning("a store cannot be used: " + reason);
  }
  CommandContext context{
      (*source)->reader(), (*source)->stores().unusable(), output, progress, clock, stop};
  int code = run_command(arguments, *config, context, environment);
  logger.tell(output);
  if (output.finish()) return code;
  output.warning("standard output: could not be written; the result is incomplete");
  return code == kExitOk ? kExitFailed : code;
}

}  // namespace tlog::player
