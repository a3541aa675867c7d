// tlogctl as its user runs it: a process, its output, its exit codes. The server is the real one
// around a fake engine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/ctl/tlogctl_fixture.h"

namespace tlog::plugin {
namespace {

using testing::CommandResult;
using testing::FakeEngine;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(Tlogctl, usage_errors_exit_with_2) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{},
                                                    {"bogus"},
                                                    {"keygen"},
                                                    {"keygen", "a", "b"},
                                                    {"mark"},
                                                    {"mark", "a", "b", "c"},
                                                    {"status", "--bogus"},
                                                    {"flush", "vm1", "--timeout", "3"},
                                                    {"flush", "vm1", "--timeout", "25h"},
                                                    {"wait-slave-sync", "vm1", "--timeout", "x"},
                                                    {"failover"},
                                                    {"failover", "vm1", "--force"},
                                                    {"failback"},
                                                    {"failback", "vm1", "--accept-loss"},
                                                    {"resync"},
                                                    {"resync", "vm1", "--accept-loss"}}) {
    CommandResult result = run(arguments);
    EXPECT_EQ(result.exit_code, 2) << result.text();
    EXPECT_EQ(result.output, "");
    EXPECT_NE(result.error, "");
  }
}

TEST_F(Tlogctl, version_and_help) {
  CommandResult version = run({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.output, HasSubstr("tlogctl "));
  for (const char* library : {"libsodium ", "isa-l ", "yaml-cpp ", "liburing "}) {
    EXPECT_THAT(version.output, HasSubstr(library));
  }
  CommandResult help = run({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* command :
       {"keygen", "check-config", "status", "mark", "flush", "print-schema", "print-example",
        "wait-slave-sync", "failover", "failback", "resync"}) {
    EXPECT_THAT(help.output, HasSubstr(command));
  }
}

// The master key is in its file and nowhere else: not in what keygen prints, in success or failure.
TEST_F(Tlogctl, key_is_nowhere) {
  const std::string path = directory.file("t.key");
  CommandResult made = run({"keygen", path});
  ASSERT_EQ(made.exit_code, 0) << made.text();
  std::string key_line = testing::read_text(path);
  constexpr std::string_view kBefore = "tlogdisk-key-1:";
  ASSERT_EQ(key_line.size(), kBefore.size() + 64 + 1);
  ASSERT_TRUE(key_line.starts_with(kBefore));
  const std::string key = key_line.substr(kBefore.size(), 64);
  ASSERT_EQ(key.find_first_not_of("0123456789abcdef"), std::string::npos);
  ASSERT_TRUE(made.output.starts_with("key id: "));
  EXPECT_EQ(made.output.size(), sizeof "key id: " + 32);
  struct stat found {};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0600u);

  CommandResult again = run({"keygen", path});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.error, HasSubstr(path));
  EXPECT_EQ(testing::read_text(path), key_line);
  // Nor in the words about a file in which the key stands at the wrong place.
  testing::write_text(directory.file("bad.yml"), "keyFile: " + key + "\npassword: " + key + "\n");
  CommandResult check = run({"check-config", "bad.yml"});
  CommandResult check_json = run({"check-config", "bad.yml", "--json"});
  for (const CommandResult& result : {made, again, check, check_json}) {
    EXPECT_THAT(result.text(), Not(HasSubstr(key)));
    EXPECT_THAT(result.text(), Not(HasSubstr(key.substr(0, 16))));
  }
}

TEST_F(Tlogctl, keygen_where_it_cannot_write) {
  CommandResult result = run({"keygen", directory.file("absent/t.key")});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.error, HasSubstr("absent/t.key"));
}

TEST_F(Tlogctl, check_config_of_a_good_file) {
  CommandResult named = run({"check-config", "tlogdisk.yml"});
  EXPECT_EQ(named.exit_code, 0) << named.text();
  EXPECT_EQ(named.output, "tlogdisk.yml: ok (2 vdisks, 1 cluster)\n");
  EXPECT_EQ(run({"check-config"}).output, named.output);
  EXPECT_EQ(run({"--config", "tlogdisk.yml", "check-config"}).output, named.output);
  EXPECT_THAT(run({"check-config", "--json"}).output, HasSubstr("\"ok\": true"));
}

TEST_F(Tlogctl, check_config_names_every_problem) {
  testing::write_text(directory.file("bad.yml"),
                      std::string(kConfig) + "tlgo: 1\nmemoryBudget: 1\n");
  CommandResult result = run({"check-config", "bad.yml"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.output, "");
  EXPECT_THAT(result.error, HasSubstr("bad.yml:5:1: tlgo: unknown key; did you mean 'tlog'?"));
  EXPECT_THAT(result.error,
              HasSubstr("bad.yml:6:15: memoryBudget: too small: 1, expected a size from 32MiB"));
  EXPECT_THAT(result.error, HasSubstr("2 problems"));
  CommandResult json = run({"check-config", "bad.yml", "--json"});
  EXPECT_EQ(json.exit_code, 1);
  EXPECT_THAT(json.output, HasSubstr("\"line\": 6"));
  EXPECT_THAT(json.output, HasSubstr("\"column\": 15"));
}

TEST_F(Tlogctl, check_config_of_what_is_no_file) {
  CommandResult absent = run({"check-config", "absent.yml"});
  EXPECT_EQ(absent.exit_code, 1);
  EXPECT_THAT(absent.error, HasSubstr("absent.yml"));
  EXPECT_EQ(run({"check-config", "/"}).exit_code, 1);
}

TEST_F(Tlogctl, status_shows_the_watermarks) {
  engine.first->set_watermarks({.appended = 40, .durable = 30, .stored = 20, .applied = 10});
  serve("control.sock");
  CommandResult result = run({"status"});
  EXPECT_EQ(result.exit_code, 0) << result.text();
  EXPECT_THAT(result.output, HasSubstr("appended   40"));
  EXPECT_THAT(result.output, HasSubstr("vdisk vm2: closed"));
  EXPECT_THAT(run({"status", "vm1"}).output, Not(HasSubstr("vm2")));
  EXPECT_THAT(run({"status", "vm1", "--rates"}).output, HasSubstr("appended   40; 0/s"));
  CommandResult json = run({"status", "--json"});
  EXPECT_THAT(json.output, HasSubstr("\"appended\": 40"));
  EXPECT_EQ(run({"status", "vm9"}).exit_code, 1);
}

TEST_F(Tlogctl, mark_and_flush) {
  engine.first->set_watermarks({.appended = 4, .durable = 4, .stored = 4});
  serve("control.sock");
  CommandResult mark = run({"mark", "vm1", "before upgrade"});
  EXPECT_EQ(mark.exit_code, 0) << mark.text();
  EXPECT_EQ(mark.output, "mark 'before upgrade' of vdisk vm1: sequence 5\n");
  EXPECT_THAT(engine.first->marks(), ::testing::ElementsAre("before upgrade"));
  CommandResult late = run({"flush", "vm1", "--timeout", "100ms"});
  EXPECT_EQ(late.exit_code, 1);
  EXPECT_THAT(late.error, HasSubstr("stored up to 4 of 5"));
  engine.first->set_watermarks({.appended = 5, .durable = 5, .stored = 5});
  CommandResult flush = run({"flush", "vm1"});
  EXPECT_EQ(flush.exit_code, 0) << flush.text();
  EXPECT_EQ(flush.output, "vdisk vm1: stored up to sequence 5\n");
  // Which one of two?
  CommandResult unclear = run({"flush"});
  EXPECT_EQ(unclear.exit_code, 1);
  EXPECT_THAT(unclear.error, HasSubstr("has 2 vdisks"));
}

TEST_F(Tlogctl, scrub_tells_what_it_finds) {
  serve("control.sock");
  CommandResult clean = run({"scrub", "vm1"});
  EXPECT_EQ(clean.exit_code, 0) << clean.text();
  EXPECT_THAT(clean.output, HasSubstr("60 shards"));
  CommandResult deep = run({"scrub", "vm1", "--deep"});
  EXPECT_EQ(deep.exit_code, 3) << deep.text();
  EXPECT_THAT(deep.output, HasSubstr("2 wrong"));
  EXPECT_THAT(deep.output, HasSubstr("aggregation 3"));
  EXPECT_THAT(deep.error, HasSubstr("tlogctl repair vm1 --deep"));
  CommandResult repair = run({"repair", "vm1", "--deep"});
  EXPECT_EQ(repair.exit_code, 0) << repair.text();
  EXPECT_EQ(run({"scrub", "vm1", "--deep", "--no-wait"}).exit_code, 0);
  EXPECT_EQ(run({"scrub", "vm1", "--rate", "fast"}).exit_code, 2);
}

TEST_F(Tlogctl, the_only_vdisk_needs_no_name) {
  testing::write_text(directory.file("one.yml"),
                      "clusters: {c: {directories: [a, b, c, d, e, f]}}\n"
                      "vdisks: {vm1: {size: 10GiB, storage: {file: blocks/vm1}}}\n");
  serve("control.sock");
  EXPECT_EQ(run({"--config", "one.yml", "mark", "m"}).output,
            "mark 'm' of vdisk vm1: sequence 1\n");
}

TEST_F(Tlogctl, corruption_exits_with_3) {
  engine.first->fail_with(Error(Code::kCorruption, "mark: vm1: the journal is damaged"));
  serve("control.sock");
  CommandResult result = run({"mark", "vm1", "m"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.error, HasSubstr("the journal is damaged"));
}

TEST_F(Tlogctl, a_vdisks_own_server_is_asked_first) {
  engine.first->set_watermarks({.appended = 1, .durable = 1, .stored = 1});
  serve("control-vm1.sock");
  // A common server with another engine beside it.
  FakeEngine other;
  other.first->set_watermarks({.appended = 2, .durable = 2, .stored = 2});
  ControlServer common(other, system_clock(), null_logger());
  ASSERT_TRUE(common.bind(directory.file("control.sock")).has_value());
  ASSERT_TRUE(common.start().has_value());
  EXPECT_EQ(run({"flush", "vm1"}).output, "vdisk vm1: stored up to sequence 1\n");
  server->stop();
  EXPECT_EQ(run({"flush", "vm1"}).output, "vdisk vm1: stored up to sequence 2\n");
  EXPECT_EQ(run({"flush", "vm1", "--socket", directory.file("control.sock")}).exit_code, 0);
}

TEST_F(Tlogctl, nobody_listens) {
  CommandResult result = run({"status", "vm1"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.error, HasSubstr(directory.file("control-vm1.sock")));
  EXPECT_THAT(result.error, HasSubstr(directory.file("control.sock")));
  EXPECT_EQ(run({"status"}).exit_code, 1);
  EXPECT_EQ(run({"status", "--socket", directory.file("x.sock")}).exit_code, 1);
}

TEST_F(Tlogctl, output_that_cannot_be_written_is_a_failure) {
  CommandResult result =
      testing::run_command({"sh", "-c", std::string(TLOGCTL) + " print-example > /dev/full"});
  EXPECT_EQ(result.exit_code, 1) << result.text();
  EXPECT_THAT(result.error, HasSubstr("standard output"));
}

}  // namespace
}  // namespace tlog::plugin
