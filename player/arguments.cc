#include "player/arguments.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
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
  bool no_marks = false;
  CLI::Option* until_sequence = nullptr;
  CLI::Option* until_mark = nullptr;
};

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

void add_restore(CLI::App& app, Arguments& arguments, Given& given) {
  RestoreOptions& options = arguments.restore;
  CLI::App* restore =
      add_command(app, arguments, "restore", "bring the vdisk back, as it was at some point");
  restore
      ->add_option("--to", arguments.target,
                   "a file, a block device, an NBD URI, or vdisk:ID for a new vdisk of the "
                   "configuration")
      ->required()
      ->type_name("TARGET");
  CLI::Option_group* until = restore->add_option_group("point", "the newest when not given");
  given.until_sequence =
      until->add_option("--until-sequence", options.until.sequence, "up to and with this record")
          ->type_name("N")
          ->check(CLI::NonNegativeNumber);
  until
      ->add_option("--until-time", given.until_time,
                   "up to and with this time: RFC 3339, 'YYYY-MM-DD HH:MM:SS' local, '5m ago'")
      ->type_name("T");
  given.until_mark =
      until->add_option("--until-mark", options.until.mark, "up to the restore point of this name")
          ->type_name("NAME");
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
  restore->callback([&] { arguments.command = Arguments::Command::kRestore; });
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
}

Status check(Arguments& arguments, const Given& given, const Clock& clock) {
  TLOG_ASSIGN(arguments.progress, parse_progress(given.progress, arguments.quiet));
  TLOG_ASSIGN(arguments.restore.sync_every_ns, config::parse_duration_ns(given.sync_every));
  arguments.info.marks = !given.no_marks;
  Until& until = arguments.restore.until;
  if (given.until_sequence->count() > 0) until.kind = Until::Kind::kSequence;
  if (given.until_mark->count() > 0) until.kind = Until::Kind::kMark;
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
