// nbd_crash_check: crash rounds against any NBD server (rig.h says how).
//   nbd_crash_check --server 'nbdkit -f -U {socket} file disk.img' --size 8M --rounds 100
//   --keep-acked
// {socket} and {dir} are replaced; --size makes an empty {dir}/disk.img first. Exit code 0: nothing
// wrong was seen, 1: something was, 2: it could not be tried.
#include <filesystem>
#include <fstream>
#include <random>

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include "tests/crash/process.h"
#include "tests/crash/rig.h"

namespace {

using tlog::crash::Rig;
using tlog::crash::RigOptions;
using tlog::crash::RoundReport;
using tlog::crash::Victim;

struct Arguments {
  RigOptions rig;
  unsigned rounds = 100;
  std::uint64_t disk_bytes = 0;
  bool keep_going = false;
  std::string check_image;
};

void add_options(CLI::App& app, Arguments& arguments) {
  RigOptions& rig = arguments.rig;
  const std::map<std::string, Victim> victims = {
      {"server", Victim::kServer}, {"client", Victim::kClient}, {"alternate", Victim::kAlternate}};
  app.add_option("--server", rig.server.command, "the server's command, in the foreground")
      ->required();
  app.add_option("--export", rig.server.export_name, "its export");
  app.add_option("--dir", rig.server.directory, "{dir} (default: a new one, removed at the end)");
  app.add_option("--size", arguments.disk_bytes, "make {dir}/disk.img of this size first")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false));
  app.add_option("--rounds", arguments.rounds, "how many crashes");
  app.add_option("--connections", rig.connections, "of the writer")->check(CLI::Range(1, 16));
  app.add_option("--depth", rig.depth, "requests in flight on each (default: random)")
      ->check(CLI::Range(1, 256));
  app.add_option("--victim", rig.victim, "who is killed: server, client or alternate")
      ->transform(CLI::CheckedTransformer(victims));
  app.add_option("--seed", rig.seed, "of the requests (default: random)");
  app.add_option("--run-ms", rig.run_ms_max, "longest time from the first answer to the kill");
  app.add_flag("--prefix", rig.promises.prefix, "what survives is a prefix");
  app.add_flag("--atomic", rig.promises.atomic, "aligned 4 KiB writes are atomic");
  app.add_flag("--keep-acked", rig.promises.keep_acked,
               "what was answered survives the server's death");
  app.add_flag("--trim-zeroes", rig.promises.trim_zeroes, "what was trimmed reads as zeros");
  app.add_flag("!--no-flush", rig.flushes, "send neither FLUSH nor FUA");
  app.add_option("--restore", rig.restore_command,
                 "makes {image} from the log of the ended server");
  app.add_option("--restore-every", rig.restore_every, "rounds between two restores");
  app.add_option("--check-image", arguments.check_image,
                 "after the last round compare this file with what the disk shows");
  app.add_flag("--keep-going", arguments.keep_going, "do not stop at the first bad round");
}

std::string replay_command(int argc, char** argv, std::uint64_t seed) {
  std::string line;
  for (int i = 0; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--seed") {
      ++i;
      continue;
    }
    line += argument.find_first_of(" {$'") == std::string::npos ? argument : "'" + argument + "'";
    line += ' ';
  }
  return fmt::format("{}--seed {}", line, seed);
}

tlog::Result<bool> run(const Arguments& arguments) {
  Rig rig(arguments.rig);
  TLOG_TRY(rig.begin());
  bool sound = true;
  std::uint64_t requests = 0;
  std::uint64_t answered = 0;
  double slowest_restart = 0;
  for (unsigned i = 0; i < arguments.rounds && (sound || arguments.keep_going); ++i) {
    TLOG_ASSIGN(const RoundReport report, rig.round());
    requests += report.requests;
    answered += report.answered;
    slowest_restart = std::max(slowest_restart, report.restart_seconds);
    if (report.violations.empty()) continue;
    sound = false;
    fmt::print("round {}:\n{}", i + 1, tlog::crash::violations_text(report.violations));
  }
  if (!arguments.check_image.empty()) {
    std::string bytes;
    TLOG_TRY(tlog::crash::read_image(rig.server().uri(), &bytes));
    TLOG_ASSIGN(const auto differences,
                tlog::crash::check_image_file(arguments.check_image, bytes));
    fmt::print("{}", tlog::crash::violations_text(differences));
    sound = sound && differences.empty();
  }
  TLOG_TRY(rig.end());
  fmt::print("{}: {} rounds, {} requests, {} answered, slowest restart {:.3f} s\n",
             sound ? "sound" : "BROKEN", rig.rounds_done(), requests, answered, slowest_restart);
  return sound;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  arguments.rig.seed = std::random_device()();
  CLI::App app{"Crash rounds against an NBD server"};
  add_options(app, arguments);
  CLI11_PARSE(app, argc, argv);
  fmt::print("replay: {}\n", replay_command(argc, argv, arguments.rig.seed));

  tlog::crash::ScratchDirectory scratch("nbd-crash");
  if (arguments.rig.server.directory.empty()) arguments.rig.server.directory = scratch.path();
  if (arguments.disk_bytes != 0) {
    const std::string disk = arguments.rig.server.directory + "/disk.img";
    std::ofstream(disk).close();
    std::filesystem::resize_file(disk, arguments.disk_bytes);
  }
  const tlog::Result<bool> sound = run(arguments);
  if (!sound) {
    fmt::print(stderr, "nbd_crash_check: {}\n", sound.error().message());
    return 2;
  }
  return *sound ? 0 : 1;
}
