#include <gtest/gtest.h>

#include <random>

#include "tests/support/fault_files.h"
#include "tests/support/temp_directory.h"
#include "tlog/base/random.h"
#include "tlog/blocks/block_storage.h"

namespace tlog::blocks {
namespace {

class FileStorageTest : public ::testing::Test {
 protected:
  FileStorageOptions options(bool create) {
    FileStorageOptions result;
    result.path = directory_.file("blocks/vm1");
    result.size = kSize;
    result.vdisk = vdisk_;
    result.create = create;
    return result;
  }
  std::unique_ptr<BlockStorage> open(const FileStorageOptions& wanted) {
    auto storage = open_file_storage(wanted, io::system_files());
    EXPECT_TRUE(storage) << storage.error().message();
    return storage ? std::move(*storage) : nullptr;
  }
  static Error refusal(const FileStorageOptions& wanted) {
    auto storage = open_file_storage(wanted, io::system_files());
    EXPECT_FALSE(storage);
    return storage ? Error(Code::kInvalidArgument, "opened") : storage.error();
  }
  static Status write(BlockStorage& storage, std::uint64_t offset, ConstByteSpan bytes) {
    return storage.write(offset, std::span(&bytes, 1));
  }

  static constexpr std::uint64_t kSize = 1 * kMiB + 3;
  testing::TempDirectory directory_;
  Uuid vdisk_ = system_random().next_uuid();
};

TEST_F(FileStorageTest, follows_an_array_at_any_alignment) {
  std::uint64_t seed = system_random().next_u64();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<std::byte> model(kSize);
  auto storage = open(options(true));
  ASSERT_TRUE(storage);
  for (int step = 0; step < 2000; ++step) {
    std::uint64_t offset = random() % kSize;
    std::uint64_t length = random() % std::min<std::uint64_t>(kSize - offset + 1, 40'000);
    switch (random() % 5) {
      case 0: {
        ASSERT_TRUE(storage->discard(offset, length));
        std::fill_n(model.begin() + static_cast<long>(offset), length, std::byte{0});
        break;
      }
      case 1: {
        ASSERT_TRUE(storage->zero(offset, length));
        std::fill_n(model.begin() + static_cast<long>(offset), length, std::byte{0});
        break;
      }
      case 2: {
        std::vector<std::byte> got(length);
        ASSERT_TRUE(storage->read(offset, got));
        ASSERT_TRUE(std::equal(got.begin(), got.end(), model.begin() + static_cast<long>(offset)));
        break;
      }
      default: {
        auto fill = static_cast<std::byte>(random());
        std::vector<std::byte> bytes(length, fill);
        ConstByteSpan all(bytes);
        std::array pieces{all.first(length / 3), all.subspan(length / 3)};
        ASSERT_TRUE(storage->write(offset, pieces));
        std::copy(bytes.begin(), bytes.end(), model.begin() + static_cast<long>(offset));
      }
    }
    if (step % 500 == 499) {
      ASSERT_TRUE(storage->flush());
      storage.reset();
      storage = open(options(false));
      ASSERT_TRUE(storage);
    }
  }
  std::vector<std::byte> all(kSize);
  ASSERT_TRUE(storage->read(0, all));
  EXPECT_EQ(all, model);
}

TEST_F(FileStorageTest, extents_cover_the_range_and_tell_holes) {
  auto storage = open(options(true));
  ASSERT_TRUE(storage);
  std::vector<std::byte> bytes(64 * kKiB, std::byte{7});
  ASSERT_TRUE(write(*storage, 128 * kKiB, bytes));
  ASSERT_TRUE(write(*storage, 512 * kKiB, bytes));
  ASSERT_TRUE(storage->discard(512 * kKiB, bytes.size()));
  auto extents = storage->extents(1, kSize - 1);
  ASSERT_TRUE(extents);
  std::uint64_t at = 1;
  bool data_seen = false;
  for (const Extent& extent : *extents) {
    ASSERT_EQ(extent.offset, at);
    ASSERT_GT(extent.length, 0u);
    at += extent.length;
    bool covers_data = extent.offset < 192 * kKiB && at > 128 * kKiB;
    if (covers_data && !extent.hole) data_seen = true;
    if (extent.hole) {
      EXPECT_FALSE(covers_data);
    }
  }
  EXPECT_EQ(at, kSize);
  EXPECT_TRUE(data_seen);
  EXPECT_TRUE(extents->front().hole);  // a sparse file stays sparse
  EXPECT_TRUE(extents->back().hole);
  EXPECT_TRUE(storage->extents(kSize, 0)->empty());
}

TEST_F(FileStorageTest, requests_beyond_the_end_are_refused) {
  auto storage = open(options(true));
  ASSERT_TRUE(storage);
  std::vector<std::byte> bytes(2);
  EXPECT_EQ(storage->read(kSize - 1, bytes).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(write(*storage, kSize - 1, bytes).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(storage->discard(~std::uint64_t{0}, 2).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(storage->zero(1, ~std::uint64_t{0}).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(storage->extents(0, kSize + 1).error().code(), Code::kInvalidArgument);
  EXPECT_TRUE(write(*storage, kSize - 2, bytes));
}

TEST_F(FileStorageTest, second_opener_is_refused) {
  auto storage = open(options(true));
  ASSERT_TRUE(storage);
  Error error = refusal(options(false));
  EXPECT_EQ(error.code(), Code::kUnavailable);
  EXPECT_NE(error.message().find("blocks/vm1"), std::string::npos);
  // Readers take no lock.
  FileStorageOptions reader = options(false);
  reader.read_only = true;
  auto reading = open(reader);
  ASSERT_TRUE(reading);
  std::vector<std::byte> bytes(1);
  EXPECT_TRUE(reading->read(0, bytes));
  EXPECT_FALSE(write(*reading, 0, bytes));
  EXPECT_FALSE(reading->discard(0, 1));
  storage.reset();
  EXPECT_TRUE(open(options(false)));
}

TEST_F(FileStorageTest, missing_file_is_refused_with_the_remedy) {
  Error error = refusal(options(false));
  EXPECT_EQ(error.code(), Code::kNotFound);
  EXPECT_NE(error.message().find("tlogplay restore"), std::string::npos);
  EXPECT_EQ(testing::read_text(options(false).path), "");
  EXPECT_FALSE(*io::system_files().exists(options(false).path));
}

TEST_F(FileStorageTest, foreign_or_resized_files_are_refused) {
  ASSERT_TRUE(open(options(true)));
  FileStorageOptions other = options(false);
  other.vdisk = system_random().next_uuid();
  Error error = refusal(other);
  EXPECT_NE(error.message().find(vdisk_.text()), std::string::npos);
  FileStorageOptions larger = options(false);
  larger.size = kSize + 1;
  EXPECT_NE(refusal(larger).message().find("tlogplay restore"), std::string::npos);
  EXPECT_EQ(refusal(options(true)).code(), Code::kAlreadyExists);
}

TEST_F(FileStorageTest, creating_takes_an_empty_file_and_never_one_with_contents) {
  std::string path = options(true).path;
  ASSERT_TRUE(io::system_files().make_directories(io::parent_path(path)));
  testing::write_text(path, "precious");
  EXPECT_EQ(refusal(options(true)).code(), Code::kAlreadyExists);
  EXPECT_EQ(testing::read_text(path), "precious");
  testing::write_text(path, "");
  EXPECT_TRUE(open(options(true)));
}

TEST_F(FileStorageTest, nth_operation_fails_and_no_byte_is_wrong) {
  constexpr std::size_t kBytes = 10'000;
  const std::vector<std::byte> first(kBytes, std::byte{1});
  const std::vector<std::byte> second(kBytes, std::byte{2});
  std::uint64_t nth = 1;
  for (bool clean = false; !clean; ++nth) {
    ASSERT_LT(nth, 200u);
    SCOPED_TRACE("operation " + std::to_string(nth));
    testing::FaultFiles files(io::system_files());
    files.inject({.nth = nth});
    FileStorageOptions wanted = options(true);
    wanted.path = directory_.file("blocks/n" + std::to_string(nth));
    auto storage = open_file_storage(wanted, files);
    if (!storage) continue;
    bool written = write(**storage, 5, first).has_value();
    bool over = written && write(**storage, 6000, second).has_value();
    bool gone = over && (*storage)->discard(0, 4000).has_value();
    (void)(*storage)->extents(0, kSize);
    bool flushed = (*storage)->flush().has_value();
    std::vector<std::byte> got(16'000);
    bool is_read = (*storage)->read(0, got).has_value();
    clean = !files.fired();
    EXPECT_TRUE(!clean || (gone && flushed && is_read));
    if (!gone || !is_read) continue;
    for (std::size_t i = 0; i < got.size(); ++i) {
      int expected = i < 4000 ? 0 : i < 6000 ? 1 : 2;
      ASSERT_EQ(static_cast<int>(got[i]), expected) << i;
    }
  }
  EXPECT_GT(nth, 8u);
}

}  // namespace
}  // namespace tlog::blocks
