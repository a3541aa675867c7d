#include "tests/support/site.h"

#include <fmt/format.h>

#include <utility>

#include "tlog/base/random.h"

namespace tlog::testing {

Site::Site(const SiteOptions& options) {
  std::array<std::byte, 32> key;
  system_random().fill(key);
  key_hex_ = to_hex(key);
  write_text(file("tlogdisk.key"), "tlogdisk-key-1:" + key_hex_ + "\n", 0600);
  configure(options);
}

void Site::configure(const SiteOptions& options) const {
  std::string text = "keyFile: tlogdisk.key\n";
  text +=
      fmt::format("journal: {{directory: {}, size: {}MiB, arenaDirectory: {}, arenaSize: 16MiB}}\n",
                  options.journal_directory, options.journal_mib, options.arena_directory);
  text += "clusters:\n";
  text += options.clusters.empty()
              ? "  local: {directories: [log/0, log/1, log/2, log/3, log/4, log/5]}\n"
              : options.clusters;
  text += fmt::format("tlog: {{{}}}\n", options.tlog);
  text += "vdisks:\n";
  for (const SiteVdisk& vdisk : options.vdisks) {
    const std::string file = fmt::format("{{file: {}/{}}}", options.blocks_directory, vdisk.name);
    text += fmt::format("  {}: {{size: {}MiB, storage: {}", vdisk.name, vdisk.size_mib,
                        vdisk.storage.empty() ? file : vdisk.storage);
    if (vdisk.read_only) text += ", readOnly: true";
    if (!vdisk.description.empty()) text += fmt::format(", description: \"{}\"", vdisk.description);
    text += vdisk.more + "}\n";
  }
  write_text(config_path(), text + options.more);
}

NbdkitOptions Site::nbdkit(std::vector<std::string> arguments) const {
  NbdkitOptions options;
  options.directory = directory();
  options.arguments = std::move(arguments);
  options.parameters = {"config=" + config_path()};
  return options;
}

}  // namespace tlog::testing
