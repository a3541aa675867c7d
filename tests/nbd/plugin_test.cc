// The plugin as a file: what it tells about itself, what it exports, what it does before anything
// is served.
#include <filesystem>
#include <sstream>

#include "tests/nbd/serving.h"

namespace tlog::testing {
namespace {

TEST(NbdPlugin, DumpPluginTellsVersions) {
  const CommandResult dump = run_nbdkit({plugin_path(), "--dump-plugin"});
  ASSERT_TRUE(dump.ok()) << dump.text();
  for (const char* expected :
       {"\nname=tlogdisk\n", "\nmagic_config_key=config\n", "\nthread_model=parallel\n",
        "\ntlogdisk_version=", "\ntlogdisk_format_version=", "\ntlogdisk_io_uring=",
        "\ntlogdisk_libsodium="}) {
    EXPECT_NE(dump.output.find(expected), std::string::npos) << expected << "\n" << dump.output;
  }
}

// nbdkit calls config also for --dump-plugin: it must neither open nor make anything.
TEST(NbdPlugin, ParametersAloneTouchNothing) {
  TempDirectory directory;
  CommandOptions options;
  options.directory = directory.path();
  const CommandResult dump =
      run_nbdkit({plugin_path(), "--dump-plugin", "config=absent/tlogdisk.yml", "vdisk=vm1",
                  "control=absent/control.sock", "io=auto", "memory-store=1"},
                 options);
  EXPECT_TRUE(dump.ok()) << dump.text();
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

// Debian's shell completion offers what stands before `=` at the beginning of a line.
TEST(NbdPlugin, HelpNamesEveryParameter) {
  const CommandResult help = run_nbdkit({plugin_path(), "--help"});
  ASSERT_TRUE(help.ok()) << help.text();
  for (const char* key :
       {"\nconfig=", "\nvdisk=", "\nkey-file=", "\nio=", "\nmemory-store=", "\ncontrol="}) {
    EXPECT_NE(help.output.find(key), std::string::npos) << key << "\n" << help.output;
  }
}

// nbdkit loads plugins with RTLD_GLOBAL: an exported symbol could replace another library's.
TEST(NbdPlugin, ExportsNothingButItsEntry) {
  const CommandResult symbols =
      run_command({"nm", "-D", "--defined-only", "--format=posix", plugin_path()});
  ASSERT_TRUE(symbols.ok()) << symbols.text();
  std::istringstream lines(symbols.output);
  bool entry = false;
  for (std::string line; std::getline(lines, line);) {
    const std::string name = line.substr(0, line.find(' '));
    entry = entry || name == "plugin_init";
    EXPECT_TRUE(name == "plugin_init" || name.starts_with("tlogdisk_debug_")) << name;
  }
  EXPECT_TRUE(entry) << symbols.output;
}

TEST(NbdPlugin, StaysLoaded) {
  const CommandResult flags = run_command({"readelf", "-d", plugin_path()});
  ASSERT_TRUE(flags.ok()) << flags.text();
  EXPECT_NE(flags.output.find("NODELETE"), std::string::npos) << flags.output;
}

}  // namespace
}  // namespace tlog::testing
