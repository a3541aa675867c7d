// --config and --with-slave-sync.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/program/vdisk_settings.h"
#include "tests/support/temp_directory.h"

namespace tlog::program {
namespace {

using ::testing::HasSubstr;

auto loaded(const std::string& config) {
  Arguments arguments;
  arguments.config = config;
  return load_config(arguments, io::system_files(), null_logger());
}

TEST(Config, of_a_file) {
  EXPECT_FALSE(loaded("").value().has_value());
  testing::TempDirectory directory;
  const std::string path = directory.file("t.yml");
  testing::write_text(path,
                      "clusters: {c: {directories: [a, b, c, d, e, f]}}\n"
                      "vdisks: {vm1: {size: 1MiB, storage: {file: vm1}}}\n");
  const auto config = loaded(path);
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ((*config)->vdisks.size(), 1u);
  testing::write_text(path, "vdisks: 7\n");
  const auto bad = loaded(path);
  ASSERT_FALSE(bad.has_value());
  EXPECT_THAT(bad.error().message(), HasSubstr("--config"));
  EXPECT_THAT(bad.error().message(), HasSubstr("t.yml:1"));
  EXPECT_FALSE(loaded(directory.file("none.yml")).has_value());
}

// The ancestor took them; here they would not say which configuration is meant.
TEST(Config, dial_strings_of_etcd_are_refused_with_the_remedy) {
  for (const char* text : {"10.0.0.1:2379", "etcd-1:2379,etcd-2:2379"}) {
    const auto config = loaded(text);
    ASSERT_FALSE(config.has_value());
    EXPECT_EQ(config.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(config.error().message(), HasSubstr("etcd://" + std::string(text) + "/KEY"));
  }
}

TEST(SlaveSync, is_refused_when_a_vdisk_counts_on_it) {
  Arguments arguments;
  arguments.with_slave_sync = true;
  EXPECT_TRUE(check_slave_sync(arguments, std::nullopt, null_logger()).has_value());
  const std::string text =
      "clusters:\n  log: {directories: [a, b, c, d, e, f]}\n"
      "  one: {servers: [{address: 'h:1'}]}\n  two: {servers: [{address: 'h:2'}]}\n"
      "tlog: {cluster: log}\n"
      "vdisks: {vm1: {size: 1MiB, storage: {cluster: one}, slaveStorage: {cluster: two},\n"
      "  tlog: {slaveSync: true}}}\n";
  const auto config = config::parse(text, "/t.yml");
  ASSERT_TRUE(config.has_value()) << config.error().message();
  const Status refused = check_slave_sync(arguments, *config, null_logger());
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message(), HasSubstr("--with-slave-sync"));
  EXPECT_THAT(refused.error().message(), HasSubstr("vm1"));
  arguments.with_slave_sync = false;
  EXPECT_TRUE(check_slave_sync(arguments, *config, null_logger()).has_value());
}

}  // namespace
}  // namespace tlog::program
