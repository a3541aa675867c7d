// system_files(): files, directories, rings, and whole small files.
#include "tlog/io/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temp_directory.h"
#include "tlog/base/buffer.h"
#include "tlog/base/limits.h"

namespace tlog::io {
namespace {

using testing::TempDirectory;

class SystemFiles : public ::testing::Test {
 protected:
  std::unique_ptr<File> make(const std::string& name,
                             OpenOptions options = {.write = true, .create = true}) {
    auto file = files_.open(directory_.file(name), options);
    EXPECT_TRUE(file) << file.error().message();
    return std::move(*file);
  }

  TempDirectory directory_;
  FileSystem& files_ = system_files();
};

std::string text_of(ConstByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_F(SystemFiles, PiecesAreWrittenOneAfterTheOther) {
  auto file = make("a");
  std::vector<ConstByteSpan> pieces = {bytes_of("one "), bytes_of(""), bytes_of("two "),
                                       bytes_of("three")};
  ASSERT_TRUE(file->write(3, pieces));
  Buffer into(100);
  auto got = file->read(3, into.span());
  ASSERT_TRUE(got);
  EXPECT_EQ(text_of(into.span().first(*got)), "one two three");
  EXPECT_EQ(*file->size(), 16u);
  EXPECT_TRUE(file->sync_data());
}

TEST_F(SystemFiles, MorePiecesThanOneSystemCallTakes) {
  auto file = make("many");
  std::vector<std::string> texts;
  std::string expected;
  for (int i = 0; i < 3000; ++i) expected += texts.emplace_back(std::to_string(i) + ",");
  std::vector<ConstByteSpan> pieces;
  for (const auto& text : texts) pieces.push_back(bytes_of(std::string_view(text)));
  ASSERT_TRUE(file->write(0, pieces));
  EXPECT_EQ(*read_file(files_, file->path(), kMiB), expected);
}

TEST_F(SystemFiles, ReadStopsAtTheEnd) {
  auto file = make("a");
  ASSERT_TRUE(file->write(0, bytes_of("abc")));
  Buffer into(10);
  EXPECT_EQ(*file->read(1, into.span()), 2u);
  EXPECT_EQ(*file->read(100, into.span()), 0u);
}

TEST_F(SystemFiles, OpenModes) {
  EXPECT_EQ(files_.open(directory_.file("none"), {}).error().code(), Code::kNotFound);
  make("there");
  auto again =
      files_.open(directory_.file("there"), {.write = true, .create = true, .exclusive = true});
  EXPECT_EQ(again.error().code(), Code::kAlreadyExists);
  EXPECT_NE(again.error().message().find("there"), std::string::npos);
  EXPECT_EQ(*files_.mode(directory_.file("there")), 0600u);
  auto reader = files_.open(directory_.file("there"), {});
  ASSERT_TRUE(reader);
  EXPECT_FALSE((*reader)->write(0, bytes_of("x")));
}

TEST_F(SystemFiles, DirectOpensAlsoWhereTheFileSystemHasNone) {
  auto file = make("direct", {.write = true, .create = true, .exclusive = true, .direct = true});
  Buffer block(kBlockAlignment);
  std::memset(block.data(), 7, block.size());
  ASSERT_TRUE(file->write(kBlockAlignment, block.span()));
  Buffer back(kBlockAlignment);
  ASSERT_EQ(*file->read(kBlockAlignment, back.span()), kBlockAlignment);
  EXPECT_EQ(text_of(back.span()), text_of(block.span()));
}

TEST_F(SystemFiles, HolesReadAsZerosAndAreFound) {
  auto file = make("sparse");
  Buffer data(64 * kKiB);
  std::memset(data.data(), 1, data.size());
  ASSERT_TRUE(file->write(0, data.span()));
  ASSERT_TRUE(file->write(192 * kKiB, data.span()));
  EXPECT_EQ(*file->next_data(300 * kKiB), 256 * kKiB);
  if (auto hole = file->next_hole(0); *hole < 192 * kKiB) {  // the file system has holes
    EXPECT_EQ(*hole, 64 * kKiB);
    EXPECT_EQ(*file->next_data(64 * kKiB), 192 * kKiB);
  }
  Status punched = file->punch_hole(0, 64 * kKiB);
  if (!punched) {
    EXPECT_EQ(punched.error().code(), Code::kNotSupported);
    return;
  }
  ASSERT_EQ(*file->read(0, data.span()), data.size());
  EXPECT_EQ(text_of(data.span()), std::string(data.size(), '\0'));
}

TEST_F(SystemFiles, ASecondLockIsRefusedUntilTheFirstIsClosed) {
  auto first = make("lock");
  auto second = make("lock");
  ASSERT_TRUE(first->try_lock());
  EXPECT_EQ(second->try_lock().error().code(), Code::kUnavailable);
  first.reset();
  EXPECT_TRUE(second->try_lock());
}

TEST_F(SystemFiles, Attributes) {
  auto file = make("attributes");
  Status set = file->set_attribute("tlog.mark", std::string(1000, 'x'));
  if (!set) {
    EXPECT_EQ(set.error().code(), Code::kNotSupported);
    GTEST_SKIP() << "no extended attributes here";
  }
  EXPECT_EQ(*file->attribute("tlog.mark"), std::string(1000, 'x'));
  EXPECT_EQ(file->attribute("tlog.other").error().code(), Code::kNotFound);
}

TEST_F(SystemFiles, Directories) {
  std::string deep = directory_.file("a/b/c");
  ASSERT_TRUE(files_.make_directories(deep));
  ASSERT_TRUE(files_.make_directories(deep));
  EXPECT_EQ(*files_.mode(deep), 0700u);
  make("a/b/z");
  make("a/b/m");
  auto entries = files_.list(directory_.file("a/b"));
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 3u);
  EXPECT_EQ((*entries)[0].name, "c");
  EXPECT_TRUE((*entries)[0].is_directory);
  EXPECT_EQ((*entries)[1].name, "m");
  EXPECT_FALSE((*entries)[1].is_directory);
  ASSERT_TRUE(files_.rename(directory_.file("a/b/m"), directory_.file("a/n")));
  EXPECT_FALSE(*files_.exists(directory_.file("a/b/m")));
  EXPECT_TRUE(*files_.exists(directory_.file("a/n")));
  ASSERT_TRUE(files_.remove(directory_.file("a/n")));
  EXPECT_EQ(files_.remove(directory_.file("a/n")).error().code(), Code::kNotFound);
  EXPECT_TRUE(files_.sync_directory(deep));
  EXPECT_FALSE(files_.make_directories(directory_.file("a/b/z/under-a-file")));
  EXPECT_EQ(files_.make_directories(directory_.file("a/b/z")).error().code(), Code::kAlreadyExists);
  EXPECT_GT(*files_.free_bytes(deep), 0u);
}

TEST_F(SystemFiles, ARingIsContiguousAcrossItsEndAndKeepsItsBytes) {
  constexpr std::size_t kBytes = 4 * kBlockAlignment;
  std::string path = directory_.file("ring");
  {
    auto ring = files_.map_ring(path, kBytes);
    ASSERT_TRUE(ring) << ring.error().message();
    std::byte* data = (*ring)->data();
    EXPECT_EQ(data[0], std::byte{0});
    std::memcpy(data + kBytes - 2, "abcd", 4);
    EXPECT_EQ(text_of({data, 2}), "cd");
    EXPECT_EQ(text_of({data + kBytes, 2}), "cd");
  }
  EXPECT_EQ(*files_.mode(path), 0600u);
  auto again = files_.map_ring(path, kBytes);
  ASSERT_TRUE(again);
  EXPECT_EQ(text_of({(*again)->data() + kBytes - 2, 4}), "abcd");
  EXPECT_EQ(files_.map_ring(path, 2 * kBytes).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(files_.map_ring(directory_.file("odd"), 100).error().code(), Code::kInvalidArgument);
}

TEST_F(SystemFiles, ANewRingIsAllocatedAtOnce) {
  std::string path = directory_.file("ring");
  auto ring = files_.map_ring(path, 64 * kBlockAlignment);
  ASSERT_TRUE(ring);
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_GE(static_cast<std::uint64_t>(status.st_blocks) * 512, 64 * kBlockAlignment);
}

TEST_F(SystemFiles, WholeFiles) {
  std::string path = directory_.file("whole");
  ASSERT_TRUE(write_file_atomically(files_, path, bytes_of("a longer first version")));
  ASSERT_TRUE(write_file_atomically(files_, path, bytes_of("second")));
  EXPECT_EQ(*read_file(files_, path, 100), "second");
  EXPECT_EQ(read_file(files_, path, 5).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(files_.list(directory_.path())->size(), 1u);
  std::string big(100'000, 'b');
  ASSERT_TRUE(write_file_atomically(files_, path, bytes_of(std::string_view(big))));
  EXPECT_EQ(*read_file(files_, path, kMiB), big);
}

TEST_F(SystemFiles, BootIdStaysTheSame) {
  EXPECT_GT(files_.boot_id().size(), 10u);
  EXPECT_EQ(files_.boot_id(), files_.boot_id());
}

TEST(Paths, JoinAndParent) {
  EXPECT_EQ(join_path("a/b", "c"), "a/b/c");
  EXPECT_EQ(join_path("a/", "c"), "a/c");
  EXPECT_EQ(join_path("", "c"), "c");
  EXPECT_EQ(join_path("a", "/c"), "/c");
  EXPECT_EQ(parent_path("/a/b"), "/a");
  EXPECT_EQ(parent_path("/a"), "/");
  EXPECT_EQ(parent_path("a"), ".");
  EXPECT_EQ(parent_path("a//b/"), "a");
  EXPECT_EQ(parent_path("/"), "/");
}

}  // namespace
}  // namespace tlog::io
