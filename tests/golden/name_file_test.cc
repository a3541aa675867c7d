// Goal and method as in golden_test.cc: the file of a name, and where a content is.
#include <gtest/gtest.h>

#include "gateways/cas/directory_contents.h"
#include "gateways/cas/name_file.h"
#include "tests/golden/golden_file.h"

namespace tlog::cas {
namespace {

const std::string kName("vdisk/\xc3\xbc\0", 9);
const std::string kContent("\0content\xff", 9);

TEST(GoldenNameFile, is_as_it_was) {
  const std::string made = encode_name_file(kName, kContent);
  const std::string kept = testing::golden("cas-name", std::as_bytes(std::span(made)));
  EXPECT_EQ(decode_name_file(kept, kName).value(), kContent);
}

TEST(GoldenNameFile, of_a_newer_version_is_told_from_damage) {
  std::string newer = encode_name_file(kName, kContent);
  newer.resize(newer.size() - kDigestBytes);
  newer[7] = 2;
  newer += digest_of(newer);
  EXPECT_EQ(decode_name_file(newer, kName).error().code(), Code::kNotSupported);
}

TEST(GoldenNameFile, files_are_where_they_were) {
  const testing::TempDirectory directory;
  const auto contents = open_directory_contents(io::system_files(), directory.path()).value();
  ASSERT_TRUE(contents->add("content"));
  ASSERT_TRUE(contents->update(kName, kContent));
  // b2sum -l 256
  EXPECT_EQ(testing::read_text(directory.file(
                "contents/2d/2d49316473cb68324b3f807c6d88c5618f6a422801f52ee3f6b3c29784504fc0")),
            "content");
  EXPECT_EQ(testing::read_text(directory.file(
                "names/97ff61f0d23b978d54908ef1631a36c558753c78340c1b4124efab02c4bbadc3")),
            testing::read_text(testing::golden_path("cas-name")));
}

}  // namespace
}  // namespace tlog::cas
