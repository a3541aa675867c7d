#include "player/restore_run.h"

#include <fmt/format.h>

#include <filesystem>

#include "player/vdisk_target.h"
#include "tlog/format/stripes.h"

namespace tlog::player {

namespace {

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

// Whether the newest record decides, so that one may be missing that nobody has seen.
bool reaches_for_the_end(const Until& until, const walk::LogHead& head) {
  if (until.kind == Until::Kind::kTime) return until.time >= head.timestamp;
  return until.kind == Until::Kind::kNewest;
}

int tell_lost_tail(const RestoreJob& job, CommandContext& context) {
  const walk::LogHead& head = context.reader.head();
  return context.output.failed(
      Error(Code::kCorruption,
            fmt::format("restore: {}; nothing was restored; --up-to-damage restores what is before "
                        "it, up to sequence {}",
                        job.lost_tail, head.sequence)),
      Position{head.number + 1, head.sequence + 1});
}

}  // namespace

Status check_whole(const format::VdiskFormat& format) {
  const auto stripe = format::stripe_of(format.vdisk);
  if (!stripe || !format.name.ends_with(format::stripe_name("", stripe->index))) return {};
  return fail(Code::kNotSupported,
              fmt::format("restore: {}: is {} of a log, which has a part of its writes only; name "
                          "the clusters of all of them as tlog.stripeClusters of the vdisk",
                          format.name, format::describe(*stripe)));
}

int run_restore(const RestoreJob& job, CommandContext& context, const config::Config& config,
                const SourceEnvironment& environment) {
  if (auto whole = check_whole(context.reader.metadata().format); !whole)
    return context.output.failed(whole.error());
  bool tail_is_lost =
      !job.lost_tail.empty() && reaches_for_the_end(job.options.until, context.reader.head());
  if (tail_is_lost && !job.options.up_to_damage) return tell_lost_tail(job, context);
  TargetOptions options;
  options.name = job.target;
  options.size = context.reader.metadata().format.size;
  options.force = job.force;
  options.vdisk = job.vdisk;
  auto target = make_target(options, config, environment);
  if (!target) return context.output.failed(target.error());
  auto note = [&](const std::string& text) { context.output.note(text); };
  Restore restore({context.reader, **target, environment.files, context.clock, context.progress,
                   context.stop, note},
                  job.options);
  auto report = restore.run();
  if (report) {
    if (report->damage.empty()) {
      if (tail_is_lost) report->damage = job.lost_tail;
    } else {
      report->damage += job.beyond_damage;
    }
    return tell_restored(context.output, job.vdisk, job.target, job.options, *report, job.scan);
  }
  if (report.error().code() != Code::kCorruption) return context.output.failed(report.error());
  return context.output.failed(
      Error(Code::kCorruption, report.error().message() + job.beyond_damage),
      Position{context.striped ? context.striped->unit_of(restore.report().sequence + 1)
                               : restore.last_aggregation() + 1,
               restore.report().sequence + 1});
}

}  // namespace tlog::player
