#include "player/state.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_directory.h"

namespace tlog::player {
namespace {

RestoreState example() {
  RestoreState state;
  state.vdisk.bytes.fill(0xab);
  state.target = "file:/tmp/\"x\":1:2";
  state.until = ~std::uint64_t{0};
  state.number = 17;
  state.epoch = 3;
  state.hash.bytes.fill(0x5c);
  state.records = 4;
  state.bytes = 5;
  state.sequence = 600;
  state.time = 1'795'255'200'123'456'789;
  return state;
}

TEST(RestoreState, comes_back_as_it_was) {
  testing::TempDirectory directory;
  std::string path = directory.path() + "/state";
  RestoreState state = example();
  state.probe = RestoreProbe{1, 2, 0xffffffff};
  ASSERT_TRUE(save_state(io::system_files(), path, state));
  auto loaded = load_state(io::system_files(), path);
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->vdisk, state.vdisk);
  EXPECT_EQ(loaded->target, state.target);
  EXPECT_EQ(loaded->until, state.until);
  EXPECT_EQ(loaded->number, state.number);
  EXPECT_EQ(loaded->epoch, state.epoch);
  EXPECT_EQ(loaded->hash, state.hash);
  EXPECT_EQ(loaded->records, state.records);
  EXPECT_EQ(loaded->bytes, state.bytes);
  EXPECT_EQ(loaded->sequence, state.sequence);
  EXPECT_EQ(loaded->time, state.time);
  ASSERT_TRUE(loaded->probe);
  EXPECT_EQ(loaded->probe->crc32c, 0xffffffffU);
}

TEST(RestoreState, absent_is_not_found) {
  testing::TempDirectory directory;
  auto loaded = load_state(io::system_files(), directory.path() + "/state");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code(), Code::kNotFound);
}

// Every truncation of a good file, and other rubbish: an error that names the file, never a crash
// or a position.
TEST(RestoreState, rubbish_is_refused) {
  testing::TempDirectory directory;
  std::string path = directory.path() + "/state";
  ASSERT_TRUE(save_state(io::system_files(), path, example()));
  std::ifstream in(path);
  std::string good((std::istreambuf_iterator<char>(in)), {});
  std::vector<std::string> bad = {"[]", "{}", "null", "{\"version\": 2}", "\xff\xfe"};
  for (std::size_t i = 0; i + 2 < good.size(); ++i) bad.push_back(good.substr(0, i));
  for (const std::string& text : bad) {
    std::ofstream(path, std::ios::trunc) << text;
    auto loaded = load_state(io::system_files(), path);
    ASSERT_FALSE(loaded) << text;
    EXPECT_NE(loaded.error().code(), Code::kCorruption);  // that is said of logs
    EXPECT_NE(loaded.error().message().find(path), std::string::npos) << loaded.error().message();
  }
}

}  // namespace
}  // namespace tlog::player
