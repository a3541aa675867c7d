// The systemd units of configs/systemd.
#include <sstream>

#include "tests/nbd/serving.h"

namespace tlog::testing {
namespace {

const std::string kUnits = TLOG_SOURCE_DIR "/configs/systemd/";

TEST(NbdUnits, SystemdAcceptsThem) {
  if (!has_program("systemd-analyze")) GTEST_SKIP() << "systemd-analyze is not installed";
  TempDirectory directory;
  for (const char* kind : {"service", "socket"}) {
    write_text(directory.file(std::string("tlogdisk@vm1.") + kind),
               read_text(kUnits + "tlogdisk@." + kind));
  }
  const CommandResult verify =
      run_command({"systemd-analyze", "verify", "--man=no", directory.file("tlogdisk@vm1.service"),
                   directory.file("tlogdisk@vm1.socket")});
  EXPECT_TRUE(verify.ok()) << verify.text();
  EXPECT_EQ(verify.output + verify.error, "");
}

// With any of these a restart would find an empty arena, and answered writes were lost.
TEST(NbdUnits, NothingTakesTheArenaAway) {
  std::istringstream lines(read_text(kUnits + "tlogdisk@.service"));
  int settings = 0;
  for (std::string line; std::getline(lines, line); settings++) {
    for (const char* forbidden :
         {"DynamicUser=", "RemoveIPC=", "PrivateIPC=", "TemporaryFileSystem="}) {
      EXPECT_FALSE(line.starts_with(forbidden)) << line;
    }
  }
  EXPECT_GT(settings, 10) << "the unit was not found";
}

// The command line of the unit, as far as it is ours: every parameter is one that the plugin knows.
TEST(NbdUnits, ParametersAreKnown) {
  std::string unit = read_text(kUnits + "tlogdisk@.service");
  for (std::size_t at; (at = unit.find("\\\n")) != std::string::npos;) unit.replace(at, 2, " ");
  const std::size_t begin = unit.find("ExecStart=");
  ASSERT_NE(begin, std::string::npos);
  std::istringstream words(unit.substr(begin, unit.find('\n', begin) - begin));
  std::vector<std::string> arguments = {plugin_path(), "--dump-plugin"};
  bool ours = false;
  for (std::string word; words >> word; ours = ours || word == "tlogdisk") {
    if (ours) arguments.push_back(word == "vdisk=%i" ? "vdisk=vm1" : word);
  }
  EXPECT_GT(arguments.size(), 4u);
  const CommandResult dump = run_nbdkit(arguments);
  EXPECT_TRUE(dump.ok()) << dump.text();
}

}  // namespace
}  // namespace tlog::testing
