// File: tests/unit/store/segment_fixture.h
// Segment stores in a directory of the test's own, small enough that segments roll over all the
// time.
#pragma once

#include <algorithm>
#include <map>
#include <random>

#include "tests/support/temp_directory.h"
#include "tests/unit/store/loop_fixture.h"
#include "tlog/base/random.h"
#include "tlog/store/segment_format.h"
#include "tlog/store/stores.h"

namespace tlog::store {

class SegmentTest : public LoopTest {
 protected:
  SegmentStoreOptions options() const {
    SegmentStoreOptions result;
    result.directory = directory_.file("log/0");
    result.vdisk = "vm1";
    result.segment_bytes = 64 * kKiB;
    result.gather_bytes = 32 * kKiB;
    result.gather_ns = 2'000'000;
    result.retry_min_ns = 1'000'000;
    result.retry_max_ns = 4'000'000;
    result.index_cache_bytes = 8 * kKiB;
    return result;
  }
  std::string folder() const { return directory_.file("log/0/vm1"); }
  std::unique_ptr<Store> open(const SegmentStoreOptions& wanted,
                              io::FileSystem& files = io::system_files()) {
    auto store = open_segment_store(wanted, files, loop(), null_logger());
    EXPECT_TRUE(store) << store.error().message();
    return store ? std::move(*store) : nullptr;
  }
  std::unique_ptr<Store> open() { return open(options()); }
  static void shut(std::unique_ptr<Store>& store) {
    close_and_wait(*store);
    store.reset();
  }
  std::vector<std::string> segment_files() const {
    std::vector<std::string> paths;
    auto entries = io::system_files().list(folder());
    EXPECT_TRUE(entries);
    for (const io::DirectoryEntry& entry : *entries) {
      if (segment_number_of(entry.name)) paths.push_back(io::join_path(folder(), entry.name));
    }
    return paths;
  }
  static Status put(Store& store, const std::string& key, std::string_view value) {
    return put_and_wait(store, key, bytes_of(value));
  }
  Code code_of_get(Store& store, const std::string& key) {
    auto value = get_and_wait(store, key);
    EXPECT_FALSE(value) << key;
    if (!value) last_message_ = value.error().message();
    return value ? Code::kInvalidArgument : value.error().code();
  }
  static void expect_value(Store& store, const std::string& key, const std::string& value) {
    auto got = get_and_wait(store, key);
    ASSERT_TRUE(got) << got.error().message();
    EXPECT_EQ(text_of(*got), value) << key;
    auto length = stat_and_wait(store, key);
    ASSERT_TRUE(length);
    EXPECT_EQ(*length, value.size());
  }
  static void flip_byte(const std::string& path, std::uint64_t offset) {
    auto file = io::system_files().open(path, {.write = true});
    ASSERT_TRUE(file);
    std::byte byte{};
    ASSERT_EQ(*(*file)->read(offset, {&byte, 1}), 1u);
    byte ^= std::byte{0x40};
    ASSERT_TRUE((*file)->write(offset, ConstByteSpan(&byte, 1)));
  }
  // A copy of the folder as a crash would leave it: the store goes on, the copy has no lock and no
  // footers to come.
  std::string copy_folder(const std::string& name) const {
    std::string to = directory_.file(name + "/vm1");
    EXPECT_TRUE(io::system_files().make_directories(to));
    for (const std::string& path : segment_files()) {
      testing::write_text(io::join_path(to, path.substr(path.rfind('/') + 1)),
                          testing::read_text(path));
    }
    return directory_.file(name);
  }

  testing::TempDirectory directory_;
  std::string last_message_;  // of the last failed code_of_get()
};

using Model = std::map<std::string, std::string>;

// Every key of the model has its value, others are absent, and a scan finds exactly these.
inline void expect_model(Store& store, const Model& model) {
  for (const auto& [key, value] : model) {
    auto got = get_and_wait(store, key);
    ASSERT_TRUE(got) << key << ": " << got.error().message();
    ASSERT_EQ(text_of(*got), value) << key;
  }
  std::vector<std::string> keys;
  std::string after;
  for (;;) {
    auto some = scan_and_wait(store, "", after, 7);
    ASSERT_TRUE(some) << some.error().message();
    keys.insert(keys.end(), some->begin(), some->end());
    if (some->size() < 7) break;
    after = some->back();
  }
  std::vector<std::string> wanted;
  for (const auto& [key, value] : model) wanted.push_back(key);
  ASSERT_EQ(keys, wanted);
}

inline std::string random_text(std::mt19937_64& random, std::size_t length) {
  std::string text(length, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

}  // namespace tlog::store
