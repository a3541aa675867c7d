// Goal: every way in which editors, tools and orchestrators replace a file is told, and nothing is
// told when nothing happened.
#include "tlog/io/directory_watcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "tests/support/temp_directory.h"

namespace tlog::io {
namespace {

using ::testing::Contains;
using ::testing::UnorderedElementsAre;
using testing::write_text;

constexpr std::uint64_t kLongNs = 20'000'000'000;

class DirectoryWatcherTest : public ::testing::Test {
 protected:
  // False when it is told that nothing has changed.
  bool told() {
    EXPECT_TRUE(watcher_->watch(directories_on_the_way_to(path_)));
    const bool changed = watcher_->wait(kLongNs) == WatchOutcome::kChanged;
    while (watcher_->wait(0) == WatchOutcome::kChanged) {
    }
    return changed;
  }
  void begin() { EXPECT_TRUE(watcher_->watch(directories_on_the_way_to(path_))); }

  testing::TempDirectory directory_;
  std::string path_ = directory_.file("t.yml");
  std::unique_ptr<DirectoryWatcher> watcher_ = make_directory_watcher();
};

TEST_F(DirectoryWatcherTest, a_file_written_in_place_and_one_renamed_into_place) {
  write_text(path_, "one");
  begin();
  EXPECT_EQ(watcher_->wait(0), WatchOutcome::kQuiet);
  write_text(path_, "two");
  EXPECT_TRUE(told());
  write_text(directory_.file("t.yml~"), "three");
  EXPECT_TRUE(told());
  std::filesystem::rename(directory_.file("t.yml~"), path_);
  EXPECT_TRUE(told());
  std::filesystem::remove(path_);
  EXPECT_TRUE(told());
}

// As Kubernetes mounts a ConfigMap: t.yml -> ..data/t.yml, ..data -> ..1, exchanged by a rename.
TEST_F(DirectoryWatcherTest, a_link_on_the_way_that_is_exchanged) {
  for (const char* version : {"..1", "..2"}) {
    std::filesystem::create_directory(directory_.file(version));
    write_text(directory_.file(version) + "/t.yml", version);
  }
  std::filesystem::create_symlink("..1", directory_.file("..data"));
  std::filesystem::create_symlink("..data/t.yml", path_);
  EXPECT_THAT(
      directories_on_the_way_to(path_),
      UnorderedElementsAre(directory_.path(), directory_.file("..data"), directory_.file("..1")));
  begin();
  std::filesystem::create_symlink("..2", directory_.file("..data_tmp"));
  EXPECT_TRUE(told());
  std::filesystem::rename(directory_.file("..data_tmp"), directory_.file("..data"));
  EXPECT_TRUE(told());
  EXPECT_THAT(directories_on_the_way_to(path_), Contains(directory_.file("..2")));
  write_text(directory_.file("..2") + "/t.yml", "new");
  EXPECT_TRUE(told());
}

TEST_F(DirectoryWatcherTest, a_directory_that_is_a_link_elsewhere) {
  std::filesystem::create_directories(directory_.file("a"));
  std::filesystem::create_directories(directory_.file("b"));
  std::filesystem::create_symlink(directory_.file("a"), directory_.file("now"));
  path_ = directory_.file("now") + "/t.yml";
  begin();
  std::filesystem::create_symlink(directory_.file("b"), directory_.file("next"));
  EXPECT_TRUE(told());
  std::filesystem::rename(directory_.file("next"), directory_.file("now"));
  EXPECT_TRUE(told());
  EXPECT_THAT(directories_on_the_way_to(path_), Contains(directory_.file("b")));
}

TEST_F(DirectoryWatcherTest, links_in_a_circle_end) {
  std::filesystem::create_symlink("y", directory_.file("x"));
  std::filesystem::create_symlink("x", directory_.file("y"));
  EXPECT_THAT(directories_on_the_way_to(directory_.file("x")), Contains(directory_.path()));
}

TEST_F(DirectoryWatcherTest, a_directory_that_is_not_there_is_said_and_waiting_works) {
  const Status watched = watcher_->watch({directory_.file("absent"), directory_.path()});
  ASSERT_FALSE(watched);
  EXPECT_NE(watched.error().message().find("absent"), std::string::npos);
  EXPECT_EQ(watcher_->wait(1'000'000), WatchOutcome::kQuiet);
  write_text(path_, "one");
  EXPECT_EQ(watcher_->wait(kLongNs), WatchOutcome::kChanged) << "the other one is watched";
}

TEST_F(DirectoryWatcherTest, a_watch_that_is_taken_off_tells_nothing) {
  begin();
  EXPECT_TRUE(watcher_->watch({}));
  write_text(path_, "one");
  EXPECT_EQ(watcher_->wait(1'000'000), WatchOutcome::kQuiet);
}

TEST_F(DirectoryWatcherTest, waking_ends_this_wait_and_all_later_ones) {
  begin();
  std::thread waking([&] { watcher_->wake(); });
  EXPECT_EQ(watcher_->wait(kLongNs), WatchOutcome::kWoken);
  waking.join();
  EXPECT_EQ(watcher_->wait(kLongNs), WatchOutcome::kWoken);
}

}  // namespace
}  // namespace tlog::io
