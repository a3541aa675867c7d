#include "tests/crash/tlogdisk_disk.h"

#include <fmt/core.h>

#include <cstdlib>
#include <random>

namespace tlog::crash {

testing::SiteOptions crash_site_options() {
  testing::SiteOptions options;
  options.vdisks = {{.name = "vm1", .size_mib = 8, .description = "", .more = ""}};
  options.journal_mib = 16;
  options.tlog = "cluster: local, flushTime: 200ms";
  return options;
}

ServerOptions tlogdisk_server(const testing::Site& site, unsigned threads) {
  std::string command = "env";
  for (const std::string& variable : testing::sanitizer_environment()) command += " " + variable;
  command += fmt::format(" nbdkit -f -t {} -U {{socket}} {} config={}", threads,
                         testing::plugin_path(), site.config_path());
  return {.command = command, .export_name = "vm1", .directory = site.directory()};
}

std::string tlogdisk_restore_command(const testing::Site& site) {
  return fmt::format("{} --config {} --quiet restore vm1 --to {{image}}", TLOG_TLOGPLAY,
                     site.config_path());
}

unsigned crash_rounds(unsigned otherwise) {
  const char* const rounds = std::getenv("TLOG_CRASH_ROUNDS");
  return rounds == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(rounds, nullptr, 10));
}

std::uint64_t crash_seed() {
  const char* const seed = std::getenv("TLOG_CRASH_SEED");
  return seed == nullptr ? std::random_device()() : std::strtoull(seed, nullptr, 10);
}

}  // namespace tlog::crash
