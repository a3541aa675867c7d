// Goal: replacing a configuration's text never loses what somebody else wrote meanwhile, never
// turns a link into a file, and never lets anybody read it who could not before.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "ctl/config_file.h"
#include "tests/support/temp_directory.h"

namespace tlog::ctl {
namespace {

using ::testing::HasSubstr;

class ConfigFileTest : public ::testing::Test {
 protected:
  ConfigFileTest() {
    testing::write_text(real, "old\n", 0640);
    std::filesystem::create_symlink("real.yml", link);
  }
  Result<ConfigFile> open() { return ConfigFile::open(io::system_files(), link); }

  testing::TempDirectory directory;
  const std::string real = directory.file("real.yml");
  const std::string link = directory.file("link.yml");
};

TEST_F(ConfigFileTest, the_file_behind_the_link_changes_and_keeps_its_mode) {
  auto file = open();
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ(file->text(), "old\n");
  ASSERT_TRUE(file->replace("new\n"));
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(testing::read_text(real), "new\n");
  struct stat found {};
  ASSERT_EQ(::stat(real.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0640u);
  ASSERT_TRUE(file->replace("old\n")) << "and back";
  EXPECT_EQ(testing::read_text(link), "old\n");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 2)
      << "nothing is left behind";
}

TEST_F(ConfigFileTest, what_somebody_else_wrote_meanwhile_stays) {
  auto file = open();
  ASSERT_TRUE(file) << file.error().message();
  testing::write_text(real, "theirs\n");
  const Status refused = file->replace("new\n");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kUnavailable);
  EXPECT_THAT(refused.error().message(), HasSubstr("somebody has changed it meanwhile"));
  EXPECT_EQ(testing::read_text(real), "theirs\n");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 2);
}

TEST_F(ConfigFileTest, two_commands_do_not_change_it_at_once) {
  auto first = open();
  ASSERT_TRUE(first) << first.error().message();
  auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::kUnavailable);
  EXPECT_THAT(second.error().message(), HasSubstr("another tlogctl is changing it"));
}

TEST_F(ConfigFileTest, a_file_that_is_not_there_is_named) {
  auto absent = ConfigFile::open(io::system_files(), directory.file("absent.yml"));
  ASSERT_FALSE(absent);
  EXPECT_THAT(absent.error().message(), HasSubstr("absent.yml"));
}

}  // namespace
}  // namespace tlog::ctl
