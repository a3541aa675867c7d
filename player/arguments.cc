#include "player/arguments.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "player/time_point.h"
#include "tlog/config/config.h"

#ifndef TLOG_VERSION
#define TLOG_VERSION "unknown"
#endif

namespace tlog::player {

namespace {

// What the options say before it is checked.
struct Given {
  std::string until_time;
  std::string progress = "auto";
  std::string sync_every = "5s";
  std::string size;
  std::string every = "1s";
  bool no_marks = false;
  bool scan = false;
  // One for each command that has it.
  std::vector<CLI::Option*> until_sequence;
  std::vector<CLI::Option*> until_mark;
};

bool any_given(const std::vector<CLI::Option*>& options) {
  return std::any_of(options.begin(), options.end(),
                     [](const CLI::Option* option) { return option->count() > 0; });
}

void add_common(CLI::App& app, Arguments& arguments, Given& given) {
  app.add_option("-c,--config", arguments.config,
                 "configuration (default ./tlogdisk.yml, then /etc/tlogdisk/tlogdisk.yml)")
      ->type_name("FILE");
  app.add_flag("--json", arguments.json, "the result as one JSON document");
  app.add_flag("-q,--quiet", arguments.quiet, "no notes and no progress bar");
  app.add_option("--progress", given.progress,
                 "auto, always, never, lines (n/100 on standard error; also without a value) or "
                 "fd:N")
      ->type_name("WHEN");
}

CLI::App* add_command(CLI::App& app, Arguments& arguments, const std::string& name,
                      const std::string& what) {
  CLI::App* command = app.add_subcommand(name, what);
  command->add_option("VDISK", arguments.vdisk, "a vdisk of the configuration")->required();
  command->fallthrough();
  return command;
}

void add_list(CLI::App& app, Arguments& arguments) {
  CLI::App* list = add_command(app, arguments, "list", "the log's aggregations, or its records");
  list->add_flag("--records", arguments.list.records, "one line per record");
  list->add_option("--from-sequence", arguments.list.from_sequence, "begin there")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber);
  list->add_option("--limit", arguments.list.limit, "at most so many lines")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber);
  list->callback([&] { arguments.command = Arguments::Command::kList; });
}

// What all commands that restore have.
void add_restore_options(CLI::App* restore, Arguments& arguments, Given& given) {
  RestoreOptions& options = arguments.restore;
  restore
      ->add_option("--to", arguments.target,
                   "a file, a block device, an NBD URI, or vdisk:ID for a new vdisk of the "
                   "configuration")
      ->required()
      ->type_name("TARGET");
  CLI::Option_group* until = restore->add_option_group("point", "the newest when not given");
  given.until_sequence.push_back(
      until->add_option("--until-sequence", options.until.sequence, "up to and with this record")
          ->type_name("N")
          ->check(CLI::NonNegativeNumber));
  until
      ->add_option("--until-time", given.until_time,
                   "up to and with this time: RFC 3339, 'YYYY-MM-DD HH:MM:SS' local, '5m ago'")
      ->type_name("T");
  given.until_mark.push_back(
      until->add_option("--until-mark", options.until.mark, "up to the restore point of this name")
          ->type_name("NAME"));
  until->require_option(0, 1);
  restore->add_flag("--force", arguments.force,
                    "replace an existing file (once the new one is complete), overwrite a device "
                    "or NBD export");
  restore->add_flag("--dry-run", options.dry_run,
                    "read and check everything, say what would be done, change nothing");
  restore->add_flag("--up-to-damage", options.up_to_damage,
                    "when the log is damaged, complete the restore with what is before the damage");
  restore
      ->add_option("--state", options.state_path,
                   "where the position of an unfinished restore "
                   "is kept")
      ->type_name("FILE");
  restore
      ->add_option("--sync-every", given.sync_every,
                   "how often the target is synced and the position kept (default 5s)")
      ->type_name("TIME");
  restore->add_flag("--restart", options.restart, "do not continue an unfinished restore");
}

void add_restore(CLI::App& app, Arguments& arguments, Given& given) {
  CLI::App* restore =
      add_command(app, arguments, "restore", "bring the vdisk back, as it was at some point");
  restore->get_option("VDISK")->required(false);
  CLI::Option* copy = restore
                          ->add_option("--from-logset", arguments.scan.logset,
                                       "from a copy of the log that came by logset, alone")
                          ->type_name("DIR");
  restore
      ->add_option("--key-file", arguments.scan.key_file,
                   "the key of --from-logset (default: the configuration's)")
      ->needs(copy)
      ->type_name("FILE");
  add_restore_options(restore, arguments, given);
  restore->callback([&] {
    if (arguments.vdisk.empty() && arguments.scan.logset.empty()) {
      throw CLI::RequiredError("VDISK");
    }
    arguments.command =
        arguments.scan.logset.empty() ? Arguments::Command::kRestore : Arguments::Command::kRecover;
  });
}

void add_recover(CLI::App& app, Arguments& arguments, Given& given) {
  CLI::App* recover = app.add_subcommand(
      "recover", "bring a vdisk back from its shards alone, when all metadata is gone");
  recover->fallthrough();
  recover->add_flag("--scan", given.scan, "read every shard and find the log among them")
      ->required();
  CLI::Option_group* place = recover->add_option_group("shards", "where the shards are");
  place->add_option("--cluster", arguments.scan.cluster, "the stores of this cluster")
      ->type_name("C");
  place->add_option("--shards", arguments.scan.shards, "a folder of loose shards")
      ->type_name("DIR");
  place->require_option(1);
  recover
      ->add_option("--vdisk", arguments.vdisk, "its name, or its uuid; not needed for the only one")
      ->type_name("V");
  recover->add_option("--uuid", arguments.scan.uuid, "which one, when several had this name")
      ->type_name("UUID");
  recover
      ->add_option("--key-file", arguments.scan.key_file, "the key (default: the configuration's)")
      ->type_name("FILE");
  recover->add_option("--size", given.size, "the vdisk's size (default: the configuration's)")
      ->type_name("SIZE");
  add_restore_options(recover, arguments, given);
  recover->callback([&] { arguments.command = Arguments::Command::kRecover; });
}

void add_export(CLI::App& app, Arguments& arguments) {
  CLI::App* exporting = app.add_subcommand(
      "export-shards", "copy every shard into a folder, each as a file of its own");
  exporting->fallthrough();
  exporting->add_option("VDISK", arguments.vdisk, "default: all of the configuration");
  exporting->add_option("--to", arguments.target, "the folder, made when absent")
      ->required()
      ->type_name("DIR");
  exporting->callback([&] { arguments.command = Arguments::Command::kExportShards; });
}

void add_follow(CLI::App& app, Arguments& arguments, Given& given) {
  FollowRequest& follow = arguments.follow;
  CLI::App* command = app.add_subcommand(
      "follow", "keep a copy of a published log, or the vdisk, up to what is published");
  command->fallthrough();
  command->add_option("--remote", follow.remote, "the name system: HOST:PORT or unix:PATH")
      ->required()
      ->type_name("ADDRESS");
  command->add_option("--vdisk", follow.name, "which vdisk, or a whole name as \"vdisk/vm1\"")
      ->required()
      ->type_name("V");
  command
      ->add_option("--to", follow.to,
                   "without the key a directory for a verified copy of the log; with it a file, a "
                   "block device or an NBD URI for the vdisk")
      ->required()
      ->type_name("DIR|TARGET");
  CLI::Option* key =
      command->add_option("--key-file", follow.key_file, "the vdisk's key")->type_name("FILE");
  command
      ->add_option("--cas", follow.cas,
                   "the contents, when they are elsewhere than the names and than these say")
      ->type_name("ADDRESS");
  command->add_flag("--once", follow.once, "up to what is published now, then end");
  command->add_option("--every", given.every, "how often to look (default 1s)")->type_name("TIME");
  command->add_option("--token-file", follow.token_file, "what --remote wants to be shown")
      ->type_name("FILE");
  command->add_option("--ca-file", follow.ca_file, "TLS, with servers whom this has signed")
      ->type_name("FILE");
  command->add_flag("--force", follow.force, "overwrite a target that nothing was followed to")
      ->needs(key);
  command->add_flag("--restart", arguments.restore.restart, "do not go on from an earlier run")
      ->needs(key);
  command
      ->add_option("--state", arguments.restore.state_path,
                   "where the position is kept (default: beside a file)")
      ->needs(key)
      ->type_name("FILE");
  command
      ->add_option("--sync-every", given.sync_every,
                   "how often the target is synced while it catches up (default 5s)")
      ->needs(key)
      ->type_name("TIME");
  command->callback([&] { arguments.command = Arguments::Command::kFollow; });
}

void declare(CLI::App& app, Arguments& arguments, Given& given) {
  app.require_subcommand(1);
  app.set_version_flag("-V,--version", "tlogplay " TLOG_VERSION);
  add_common(app, arguments, given);
  CLI::App* info = add_command(app, arguments, "info",
                               "what the log reaches back to, its marks, epochs and geometry");
  info->add_flag("--no-marks", given.no_marks, "do not read the whole log to find the marks");
  info->callback([&] { arguments.command = Arguments::Command::kInfo; });
  add_list(app, arguments);
  CLI::App* verify = add_command(app, arguments, "verify",
                                 "read everything and check it: hashes, chain, authentication");
  verify->callback([&] { arguments.command = Arguments::Command::kVerify; });
  add_restore(app, arguments, given);
  add_recover(app, arguments, given);
  add_export(app, arguments);
  add_follow(app, arguments, given);
}

Status check(Arguments& arguments, const Given& given, const Clock& clock) {
  TLOG_ASSIGN(arguments.progress, parse_progress(given.progress, arguments.quiet));
  TLOG_ASSIGN(arguments.restore.sync_every_ns, config::parse_duration_ns(given.sync_every));
  TLOG_ASSIGN(arguments.follow.every_ns, config::parse_duration_ns(given.every));
  constexpr std::uint64_t kEveryLeast = 10'000'000;
  if (arguments.follow.every_ns < kEveryLeast) {
    return fail(Code::kInvalidArgument, "--every: expected at least 10ms");
  }
  if (!given.size.empty()) {
    TLOG_ASSIGN(arguments.scan.size, config::parse_size(given.size));
    if (arguments.scan.size == 0) return fail(Code::kInvalidArgument, "--size: 0 is no size");
  }
  if (!arguments.scan.uuid.empty()) TLOG_TRY(Uuid::parse(arguments.scan.uuid));
  arguments.info.marks = !given.no_marks;
  Until& until = arguments.restore.until;
  if (any_given(given.until_sequence)) until.kind = Until::Kind::kSequence;
  if (any_given(given.until_mark)) until.kind = Until::Kind::kMark;
  if (!given.until_time.empty()) {
    until.kind = Until::Kind::kTime;
    TLOG_ASSIGN(until.time, parse_time(given.until_time, clock.wall_ns()));
  }
  return {};
}

}  // namespace

Parsed parse_arguments(const std::vector<std::string>& arguments, const Clock& clock) {
  Arguments parsed;
  Given given;
  CLI::App app("Brings a vdisk of tlogdisk back from its log. It only reads the log.", "tlogplay");
  try {
    declare(app, parsed, given);
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    // An option's optional value must not swallow the argument after it.
    for (std::string& argument : reversed) {
      if (argument == "--progress") argument = "--progress=lines";
    }
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    int code = app.exit(error, std::cout, std::cerr);
    return {std::nullopt, code == 0 ? kExitOk : kExitUsage};
  }
  if (Status checked = check(parsed, given, clock); !checked) {
    std::cerr << "tlogplay: " << checked.error().message() << "\n";
    return {std::nullopt, kExitUsage};
  }
  return {std::move(parsed), kExitOk};
}

}  // namespace tlog::player
