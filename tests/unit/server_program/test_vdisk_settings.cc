// --config and --with-slave-sync.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/program/vdisk_settings.h"
#include "tests/support/keeping_logger.h"
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

TEST(SlaveSync, is_kept_for_vdisks_that_are_configured_so) {
  testing::TempDirectory directory;
  const std::string path = directory.file("t.yml");
  testing::write_text(directory.file("secret"), "word\n");
  testing::write_text(
      path,
      "clusters:\n  log: {directories: [a, b, c, d, e, f]}\n"
      "  one: {servers: [{address: 'h:1'}]}\n"
      "  two: {servers: [{address: 'h:2'}, {address: 'h:3', db: 4, passwordFile: secret}]}\n"
      "tlog: {cluster: log, slaveSync: true}\n"
      "vdisks:\n"
      "  vm1: {size: 1MiB, storage: {cluster: one}, slaveStorage: {cluster: two}}\n"
      "  vm2: {size: 1MiB, storage: {cluster: one}, slaveStorage: {cluster: two},\n"
      "        tlog: {slaveSync: false}}\n"
      "  vm3: {size: 1MiB, storage: {cluster: one}}\n");
  const auto config = loaded(path);
  ASSERT_TRUE(config.has_value()) << config.error().message();
  Arguments arguments;
  io::FileSystem& files = io::system_files();
  testing::KeepingLogger logger;
  EXPECT_TRUE(standby_servers(arguments, *config, files, logger)->empty());
  arguments.with_slave_sync = true;
  const auto servers = standby_servers(arguments, *config, files, logger);
  ASSERT_TRUE(servers.has_value()) << servers.error().message();
  EXPECT_FALSE(logger.has("slave_sync_unused"));
  ASSERT_EQ(servers->size(), 1U);
  const auto& two = servers->at("vm1");
  ASSERT_EQ(two.size(), 2U);
  EXPECT_EQ(two[0].address, "h:2");
  EXPECT_EQ(two[1].address, "h:3");
  EXPECT_EQ(two[1].db, "4");
  EXPECT_EQ(two[1].password, "word");
  EXPECT_TRUE(standby_servers(arguments, std::nullopt, files, logger)->empty());
  EXPECT_TRUE(logger.has("slave_sync_unused"));
}

TEST(SlaveSync, a_password_that_cannot_be_read_is_named) {
  testing::TempDirectory directory;
  const std::string path = directory.file("t.yml");
  testing::write_text(path,
                      "clusters:\n  log: {directories: [a, b, c, d, e, f]}\n"
                      "  one: {servers: [{address: 'h:1'}]}\n"
                      "  two: {servers: [{address: 'h:2', passwordFile: nowhere}]}\n"
                      "tlog: {cluster: log, slaveSync: true}\n"
                      "vdisks: {vm1: {size: 1MiB, storage: {cluster: one}, slaveStorage: "
                      "{cluster: two}}}\n");
  const auto config = loaded(path);
  ASSERT_TRUE(config.has_value()) << config.error().message();
  Arguments arguments;
  arguments.with_slave_sync = true;
  const auto servers = standby_servers(arguments, *config, io::system_files(), null_logger());
  ASSERT_FALSE(servers.has_value());
  EXPECT_THAT(servers.error().message(), HasSubstr("--with-slave-sync: vdisk 'vm1'"));
  EXPECT_THAT(servers.error().message(), HasSubstr("nowhere"));
}

}  // namespace
}  // namespace tlog::program
