// Whatever is wrong before a disk can be served is said on standard error, with the object's name,
// and nbdkit ends with an error *before* it goes into the background: the tests run it without -f.
#include <signal.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "tests/nbd/serving.h"

namespace tlog::testing {
namespace {

class NbdBadInput : public ::testing::Test {
 protected:
  // Starts nbdkit as a user would, and expects it to refuse, saying `expected`.
  void expect_refusal(const std::vector<std::string>& parameters,
                      const std::vector<std::string>& expected) {
    std::vector<std::string> arguments = {"-U", site.file("refused.sock"), "-P",
                                          site.file("refused.pid"), plugin_path()};
    arguments.insert(arguments.end(), parameters.begin(), parameters.end());
    const CommandResult result = run_nbdkit(arguments);
    EXPECT_EQ(result.exit_code, 1) << result.text();
    for (const std::string& text : expected) {
      EXPECT_NE(result.error.find(text), std::string::npos) << "expected '" << text << "'\n"
                                                            << result.text();
    }
    EXPECT_EQ(result.output, "");
    EXPECT_EQ(result.error.find(site.key_hex()), std::string::npos)
        << "the key is in an error message";
    if (result.exit_code == 0) end_of_background();
  }
  void expect_refusal_of(const std::string& yaml, const std::vector<std::string>& expected) {
    write_text(site.config_path(), yaml);
    expect_refusal({"config=" + site.config_path()}, expected);
  }
  // It was not refused, and is in the background now: the test has failed, its server shall not
  // stay.
  void end_of_background() {
    const auto pid = [&] { return read_text(site.file("refused.pid")); };
    if (wait_until([&] { return !pid().empty(); }, Milliseconds(10'000))) {
      kill(static_cast<pid_t>(std::atoi(pid().c_str())), SIGKILL);
    }
  }
  std::string config() const { return "config=" + site.config_path(); }

  Site site;
};

TEST_F(NbdBadInput, NoConfiguration) {
  expect_refusal({}, {"config=FILE is missing"});
}

TEST_F(NbdBadInput, AbsentConfiguration) {
  expect_refusal({"config=" + site.file("absent.yml")}, {"absent.yml", "No such file"});
}

TEST_F(NbdBadInput, UnknownParameter) {
  expect_refusal({config(), "vidsk=vm1"}, {"unknown parameter 'vidsk'"});
}

TEST_F(NbdBadInput, BadParameterValues) {
  expect_refusal({config(), "io=banana"}, {"io=banana", "auto, uring or posix"});
  expect_refusal({config(), "memory-store=perhaps"}, {"memory-store"});
  expect_refusal({config(), "vdisk=a/b"}, {"vdisk=a/b"});
  expect_refusal({config(), "vdisk=vm1", "vdisk=vm2"}, {"vdisk: given twice"});
  expect_refusal({config(), config()}, {"config: given twice"});
}

TEST_F(NbdBadInput, UnknownVdisk) {
  expect_refusal({config(), "vdisk=vm9"}, {"vm9", "vm1"});
}

TEST_F(NbdBadInput, BrokenYaml) {
  expect_refusal_of("vdisks: {vm1: [", {site.config_path() + ":"});
  expect_refusal_of("", {site.config_path()});
  expect_refusal_of("just a line\n", {site.config_path()});
}

TEST_F(NbdBadInput, UnknownKeyIsNamedWithItsPlace) {
  const std::string good = read_text(site.config_path());
  expect_refusal_of(good + "jurnal: {}\n", {site.config_path() + ":", "jurnal", "journal"});
}

TEST_F(NbdBadInput, ImpossibleGeometry) {
  SiteOptions options;
  options.tlog = "cluster: local, dataShards: 8, parityShards: 4";  // of six directories
  site.configure(options);
  expect_refusal({config()}, {"local"});
  options.tlog = "cluster: nowhere";
  site.configure(options);
  expect_refusal({config()}, {"nowhere"});
}

TEST_F(NbdBadInput, AbsentKey) {
  std::filesystem::remove(site.file("tlogdisk.key"));
  expect_refusal({config()}, {"tlogdisk.key"});
}

TEST_F(NbdBadInput, KeyOthersCanRead) {
  ASSERT_EQ(chmod(site.file("tlogdisk.key").c_str(), 0644), 0);
  expect_refusal({config()}, {"tlogdisk.key", "0644", "chmod 600"});
}

TEST_F(NbdBadInput, MalformedKey) {
  write_text(site.file("tlogdisk.key"), "hunter2\n", 0600);
  expect_refusal({config()}, {"tlogdisk.key"});
}

// As root no permission is in the way, a file where a directory should be is.
TEST_F(NbdBadInput, UnwritableJournalDirectory) {
  write_text(site.file("journal"), "a file");
  expect_refusal({config()}, {"journal"});
}

TEST_F(NbdBadInput, ControlSocketThatCannotBe) {
  expect_refusal({config(), "control=" + site.file("absent-directory/control.sock")},
                 {"control.sock"});
}

}  // namespace
}  // namespace tlog::testing
