// Goal: takeovers that nobody asked for do not fill the disk, nor the memory with arenas, and touch
// nothing but what earlier ones of the same vdisk have left.
#include "tlog/session/aside.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/temp_directory.h"
#include "tlog/base/random.h"

namespace tlog::session {
namespace {

using testing::read_text;
using testing::write_text;

class AsideTest : public ::testing::Test {
 protected:
  void make_journal(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(directory_.file("journal/" + name));
    write_text(directory_.file("journal/" + name + "/superblock"), text);
  }
  void make_arena(const Uuid& journal) {
    std::filesystem::create_directories(directory_.file("arena"));
    write_text(arena_of(journal), "arena");
  }
  std::string arena_of(const Uuid& journal) const {
    return directory_.file("arena/tlogdisk-" + journal.text());
  }
  testing::TempDirectory directory_;
};

TEST_F(AsideTest, one_generation_is_kept_and_others_are_left_alone) {
  const Uuid other = system_random().next_uuid();
  make_journal("vm10", "another vdisk");
  make_journal("vm1.taken-over-not-by-us", "of somebody's");
  make_journal("vm10.taken-over-" + other.text(), "another vdisk's");
  make_arena(other);
  std::vector<Uuid> journals;
  for (int round = 0; round < 3; ++round) {
    const Uuid journal = system_random().next_uuid();
    make_journal("vm1", "round " + std::to_string(round));
    make_arena(journal);
    auto aside = keep_journal_aside(io::system_files(), directory_.file("journal/vm1"), journal,
                                    directory_.file("arena"));
    ASSERT_TRUE(aside) << aside.error().message();
    EXPECT_EQ(read_text(*aside + "/superblock"), "round " + std::to_string(round));
    EXPECT_FALSE(std::filesystem::exists(directory_.file("journal/vm1")));
    journals.push_back(journal);
    for (std::size_t i = 0; i < journals.size(); ++i) {
      const bool is_newest = i + 1 == journals.size();
      EXPECT_EQ(std::filesystem::exists(arena_of(journals[i])), is_newest) << round << " " << i;
      EXPECT_EQ(std::filesystem::exists(
                    directory_.file("journal/vm1.taken-over-" + journals[i].text())),
                is_newest)
          << round << " " << i;
    }
  }
  EXPECT_EQ(read_text(directory_.file("journal/vm10/superblock")), "another vdisk");
  EXPECT_TRUE(std::filesystem::exists(directory_.file("journal/vm1.taken-over-not-by-us")));
  EXPECT_TRUE(std::filesystem::exists(
      directory_.file("journal/vm10.taken-over-" + other.text() + "/superblock")));
  EXPECT_TRUE(std::filesystem::exists(arena_of(other)));
}

TEST_F(AsideTest, a_file_replaces_the_one_before_and_an_operators_stay) {
  const std::string path = directory_.file("vm1");
  for (const char* text : {"one", "two"}) {
    write_text(path, text);
    auto aside = keep_aside(io::system_files(), path);
    ASSERT_TRUE(aside) << aside.error().message();
    EXPECT_EQ(read_text(*aside), text);
  }
  std::vector<std::string> kept;
  for (const char* text : {"three", "four"}) {
    write_text(path, text);
    auto aside = move_aside(io::system_files(), path);
    ASSERT_TRUE(aside) << aside.error().message();
    kept.push_back(*aside);
  }
  EXPECT_EQ(read_text(kept[0]), "three");
  EXPECT_EQ(read_text(kept[1]), "four");
  EXPECT_EQ(read_text(path + ".taken-over"), "two");
}

}  // namespace
}  // namespace tlog::session
