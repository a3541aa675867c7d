// Goal: a key file is made once, never shared, never half read; derived keys differ by purpose and
// salt.
#include "tlog/seal/key.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/log_samples.h"
#include "tests/support/temp_directory.h"

namespace tlog::seal {
namespace {

class KeyFile : public ::testing::Test {
 protected:
  tlog::testing::TempDirectory directory_;
  const std::string path_ = io::join_path(directory_.path(), "tlogdisk.key");
  io::FileSystem& files_ = io::system_files();
  tlog::testing::SeededRandom random_{1};

  void write(const std::string& text, unsigned mode = 0600) {
    (void)files_.remove(path_);
    auto file = files_.open(path_, {.write = true, .create = true});
    ASSERT_TRUE(file) << file.error().message();
    ASSERT_TRUE((*file)->write(0, bytes_of(std::string_view(text))));
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
  }
  Error load_error() {
    auto key = MasterKey::load(files_, path_);
    EXPECT_FALSE(key);
    return key ? Error(Code::kInvalidArgument, "loaded") : key.error();
  }
};

TEST_F(KeyFile, save_and_load) {
  auto key = MasterKey::generate(random_);
  ASSERT_TRUE(key);
  ASSERT_TRUE(key->save(files_, path_));
  EXPECT_EQ(*files_.mode(path_), 0600u);
  auto loaded = MasterKey::load(files_, path_);
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->id(), key->id());
  std::array<std::byte, 32> a{}, b{};
  key->derive("x", bytes_of(std::string_view("salt")), a);
  loaded->derive("x", bytes_of(std::string_view("salt")), b);
  EXPECT_EQ(a, b);
}

TEST_F(KeyFile, existing_file_is_not_overwritten) {
  auto first = MasterKey::generate(random_);
  auto second = MasterKey::generate(random_);
  ASSERT_NE(first->id(), second->id());
  ASSERT_TRUE(first->save(files_, path_));
  auto saved = second->save(files_, path_);
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code(), Code::kAlreadyExists);
  EXPECT_EQ(MasterKey::load(files_, path_)->id(), first->id());
}

TEST_F(KeyFile, missing_names_the_remedy) {
  Error error = load_error();
  EXPECT_EQ(error.code(), Code::kNotFound);
  EXPECT_NE(error.message().find(path_), std::string::npos);
  EXPECT_NE(error.message().find("tlogctl keygen"), std::string::npos) << error.message();
}

TEST_F(KeyFile, readable_by_others_is_refused) {
  for (unsigned mode : {0644u, 0640u, 0604u, 0620u, 0601u}) {
    write("tlogdisk-key-1:" + std::string(64, 'a') + "\n", mode);
    Error error = load_error();
    EXPECT_EQ(error.code(), Code::kInvalidArgument);
    EXPECT_NE(error.message().find("chmod 600 " + path_), std::string::npos) << error.message();
  }
  for (unsigned mode : {0600u, 0400u}) {
    write("tlogdisk-key-1:" + std::string(64, 'a') + "\n", mode);
    EXPECT_TRUE(MasterKey::load(files_, path_));
  }
}

TEST_F(KeyFile, malformed_is_refused) {
  const std::string prefix = "tlogdisk-key-1:";
  const std::string digits(64, 'b');
  for (const std::string& text :
       {std::string(), std::string("\n"), prefix, prefix + "\n", prefix + digits.substr(1) + "\n",
        prefix + digits + "b\n", prefix + digits + "\n\n", prefix + digits + "\nmore",
        prefix + digits.substr(1) + "g\n", "tlogdisk-key-2:" + digits + "\n", digits + "\n",
        " " + prefix + digits + "\n", prefix + std::string(100'000, 'b')}) {
    write(text);
    Error error = load_error();
    EXPECT_EQ(error.code(), Code::kInvalidArgument) << text.substr(0, 100);
    EXPECT_NE(error.message().find(path_), std::string::npos);
    EXPECT_NE(error.message().find("backup"), std::string::npos) << error.message();
    EXPECT_EQ(error.message().find("bbbb"), std::string::npos) << "the message shows the contents";
  }
}

TEST_F(KeyFile, upper_case_and_missing_newline_are_fine) {
  write("tlogdisk-key-1:" + std::string(64, 'C'));
  auto upper = MasterKey::load(files_, path_);
  ASSERT_TRUE(upper) << upper.error().message();
  write("tlogdisk-key-1:" + std::string(64, 'c') + "\n");
  EXPECT_EQ(MasterKey::load(files_, path_)->id(), upper->id());
}

TEST(MasterKey, derived_keys_differ_by_context_and_salt) {
  tlog::testing::SeededRandom random(1);
  auto key = MasterKey::generate(random);
  auto derive = [&](std::string_view context, std::string_view salt) {
    std::array<std::byte, 32> result{};
    key->derive(context, bytes_of(salt), result);
    return to_hex(result);
  };
  EXPECT_EQ(derive("a", "b"), derive("a", "b"));
  EXPECT_NE(derive("a", "b"), derive("a", "c"));
  EXPECT_NE(derive("a", "b"), derive("b", "b"));
  EXPECT_NE(derive("ab", "c"), derive("a", "bc"));  // where the context ends is part of the input
}

}  // namespace
}  // namespace tlog::seal
