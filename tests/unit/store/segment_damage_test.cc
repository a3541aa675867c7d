// Segments that were cut short, altered or lost: never a wrong byte, never "not found" for what may
// be lost.
#include <gtest/gtest.h>

#include "tests/support/fault_files.h"
#include "tests/unit/store/segment_fixture.h"
#include "tlog/store/segment_scan.h"

namespace tlog::store {
namespace {

class SegmentDamageTest : public SegmentTest {
 protected:
  // A folder as a crash leaves it, with one entry a batch: "k0", "k1", ... of `bytes` bytes each.
  SegmentStoreOptions crashed_folder(int entries, std::size_t bytes) {
    auto store = open();
    EXPECT_TRUE(store);
    std::mt19937_64 random(5);
    for (int i = 0; i < entries; ++i) {
      std::string key = "k" + std::to_string(i);
      model_[key] = random_text(random, bytes);
      EXPECT_TRUE(put(*store, key, model_[key]));
    }
    SegmentStoreOptions copied = options();
    copied.directory = copy_folder("copy");
    shut(store);
    return copied;
  }
  static std::string segment_path(const SegmentStoreOptions& copied, std::uint64_t number) {
    return copied.directory + "/vm1/" + segment_file_name(number);
  }
  static std::uint64_t entry_offset(int index, std::size_t bytes) {
    return kSegmentHeaderBytes + static_cast<std::uint64_t>(index) * entry_bytes(2, bytes);
  }
  // All but `lost` are there, and the lost ones are corrupt, never absent.
  void expect_all_but(Store& store, const std::set<std::string>& lost) {
    for (const auto& [key, value] : model_) {
      if (lost.contains(key)) {
        EXPECT_EQ(code_of_get(store, key), Code::kCorruption) << key;
      } else {
        expect_value(store, key, value);
      }
    }
  }

  Model model_;
};

TEST_F(SegmentDamageTest, torn_end_is_cut_wherever_it_tears) {
  constexpr std::size_t kBytes = 500;
  SegmentStoreOptions copied = crashed_folder(10, kBytes);
  std::string whole = testing::read_text(segment_path(copied, 1));
  std::mt19937_64 random(9);
  for (int round = 0; round < 40; ++round) {
    std::uint64_t cut =
        round == 0 ? 0 : entry_offset(0, kBytes) + random() % (10 * entry_bytes(2, kBytes));
    testing::write_text(segment_path(copied, 1), whole.substr(0, cut));
    auto store = open(copied);
    ASSERT_TRUE(store);
    for (int i = 0; i < 10; ++i) {
      std::string key = "k" + std::to_string(i);
      // The padding may be missing as well.
      bool there = cut >= entry_offset(i + 1, kBytes);
      if (there) {
        expect_value(*store, key, model_[key]);
      } else {
        ASSERT_EQ(code_of_get(*store, key), Code::kNotFound) << key << " cut at " << cut;
      }
    }
    ASSERT_TRUE(put(*store, "new", "value"));
    shut(store);
    store = open(copied);
    ASSERT_TRUE(store);
    expect_value(*store, "new", "value");
    shut(store);
    for (const std::string& name : {segment_path(copied, 1), segment_path(copied, 2)}) {
      (void)io::system_files().remove(name);
    }
  }
}

TEST_F(SegmentDamageTest, altered_value_is_corrupt_and_the_others_are_not) {
  SegmentStoreOptions copied = crashed_folder(10, 500);
  flip_byte(segment_path(copied, 1), entry_offset(3, 500) + kEntryHeaderBytes + 2 + 100);
  auto store = open(copied);
  ASSERT_TRUE(store);
  expect_all_but(*store, {"k3"});
  shut(store);
  store = open(copied);  // sealed now: the same
  ASSERT_TRUE(store);
  expect_all_but(*store, {"k3"});
  EXPECT_EQ(code_of_get(*store, "never"), Code::kNotFound);
  ASSERT_TRUE(put(*store, "k3", model_["k3"]));  // and healed by putting it again
  expect_all_but(*store, {});
  shut(store);
}

TEST_F(SegmentDamageTest, altered_entry_header_does_not_end_the_segment) {
  SegmentStoreOptions copied = crashed_folder(10, 500);
  flip_byte(segment_path(copied, 1), entry_offset(4, 500) + 40);
  SegmentStoreOptions reading = copied;
  reading.read_only = true;
  auto reader = open(reading);
  ASSERT_TRUE(reader);
  expect_all_but(*reader, {"k4"});
  shut(reader);
  for (int opening = 0; opening < 3; ++opening) {
    auto store = open(copied);
    ASSERT_TRUE(store);
    expect_all_but(*store, {"k4"});
    // Nobody knows which key it was.
    EXPECT_EQ(code_of_get(*store, "never"), Code::kCorruption);
    EXPECT_NE(store->status().condition.find("damaged"), std::string::npos);
    ASSERT_TRUE(put(*store, "later" + std::to_string(opening), "value"));
    shut(store);
  }
}

// What a writer has preallocated reads as zeros. A miss is asked for often (the end of a log is found
// by misses), so it must not cost reading all of it.
TEST_F(SegmentDamageTest, a_miss_beside_a_writer_reads_little) {
  SegmentStoreOptions copied = crashed_folder(10, 500);
  std::string path = segment_path(copied, 1);
  testing::write_text(path, testing::read_text(path) + std::string(64 * kMiB, '\0'));
  flip_byte(path, entry_offset(4, 500) + 40);
  copied.read_only = true;
  testing::FaultFiles files(io::system_files());
  auto reader = open(copied, files);
  ASSERT_TRUE(reader);
  expect_all_but(*reader, {"k4"});
  files.inject({.operations = testing::kReadFile, .nth = ~0ull});
  EXPECT_EQ(code_of_get(*reader, "k9x"), Code::kCorruption);
  EXPECT_LT(files.count(), 10u) << "of up to 1 MiB each";
  files.clear();
  shut(reader);
}

TEST_F(SegmentDamageTest, altered_segment_header_loses_nothing) {
  SegmentStoreOptions copied = crashed_folder(30, 5000);
  for (std::uint64_t number = 1; number <= 3; ++number) {
    flip_byte(segment_path(copied, number), 20);
    SegmentStoreOptions reading = copied;
    reading.read_only = true;
    auto reader = open(reading);
    ASSERT_TRUE(reader);
    expect_all_but(*reader, {});
    shut(reader);
  }
  for (int opening = 0; opening < 2; ++opening) {
    auto store = open(copied);
    ASSERT_TRUE(store);
    expect_all_but(*store, {});
    EXPECT_EQ(code_of_get(*store, "never"), Code::kNotFound);
    ASSERT_TRUE(put(*store, "later", "value"));
    expect_value(*store, "later", "value");
    shut(store);
  }
}

TEST_F(SegmentDamageTest, altered_index_or_footer_is_rebuilt) {
  constexpr std::size_t kBytes = 5000;
  SegmentStoreOptions copied = crashed_folder(40, kBytes);
  auto store = open(copied);
  ASSERT_TRUE(store);
  shut(store);
  std::uint64_t size = testing::read_text(segment_path(copied, 1)).size();
  ASSERT_GT(testing::read_text(segment_path(copied, 3)).size(), 0u);
  flip_byte(segment_path(copied, 1),
            size - kSegmentFooterBytes - kSegmentFooterBytes + 30);     // its index
  flip_byte(segment_path(copied, 2), size - kSegmentFooterBytes + 30);  // its footer
  store = open(copied);
  ASSERT_TRUE(store);
  expect_all_but(*store, {});
  EXPECT_EQ(code_of_get(*store, "never"), Code::kNotFound);
  shut(store);
}

TEST_F(SegmentDamageTest, missing_segment_is_not_an_empty_one) {
  SegmentStoreOptions copied = crashed_folder(40, 5000);
  ASSERT_TRUE(io::system_files().remove(segment_path(copied, 2)));
  auto store = open(copied);
  ASSERT_TRUE(store);
  int lost = 0;
  for (const auto& [key, value] : model_) {
    auto got = get_and_wait(*store, key);
    if (got) {
      EXPECT_EQ(text_of(*got), value);
    } else {
      EXPECT_EQ(got.error().code(), Code::kCorruption);
      EXPECT_NE(got.error().message().find(segment_file_name(2)), std::string::npos);
      ++lost;
    }
  }
  EXPECT_GT(lost, 0);
  EXPECT_LT(lost, 20);
  EXPECT_EQ(code_of_get(*store, "never"), Code::kCorruption);
  shut(store);
}

TEST_F(SegmentDamageTest, segment_cut_short_before_its_known_end_is_damage) {
  SegmentStoreOptions copied = crashed_folder(40, 5000);
  std::string first = testing::read_text(segment_path(copied, 1));
  testing::write_text(segment_path(copied, 1), first.substr(0, entry_offset(5, 5000) + 10));
  auto store = open(copied);
  ASSERT_TRUE(store);
  expect_value(*store, "k4", model_["k4"]);
  EXPECT_EQ(code_of_get(*store, "k5"), Code::kCorruption);
  expect_value(*store, "k39", model_["k39"]);
  shut(store);
}

TEST_F(SegmentDamageTest, one_flipped_byte_anywhere_never_yields_a_wrong_one) {
  std::uint64_t seed = system_random().next_u64();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  SegmentStoreOptions copied = crashed_folder(30, 5000);
  std::vector<std::string> whole;
  for (std::uint64_t number = 1; number <= 3; ++number) {
    whole.push_back(testing::read_text(segment_path(copied, number)));
    ASSERT_FALSE(whole.back().empty());
  }
  for (int round = 0; round < 60; ++round) {
    auto entries = io::system_files().list(copied.directory + "/vm1");
    ASSERT_TRUE(entries);
    for (const auto& entry : *entries)
      (void)io::system_files().remove(copied.directory + "/vm1/" + entry.name);
    for (std::uint64_t number = 1; number <= 3; ++number) {
      testing::write_text(segment_path(copied, number), whole[number - 1]);
    }
    std::uint64_t number = 1 + random() % 3;
    std::uint64_t at = random() % whole[number - 1].size();
    SCOPED_TRACE("segment " + std::to_string(number) + " byte " + std::to_string(at));
    flip_byte(segment_path(copied, number), at);
    auto store = open(copied);
    ASSERT_TRUE(store);
    int lost = 0;
    for (const auto& [key, value] : model_) {
      auto got = get_and_wait(*store, key);
      if (got) {
        ASSERT_EQ(text_of(*got), value);
        continue;
      }
      ++lost;
      // Only the end of the newest segment may be taken for torn.
      bool torn_end = number == 3 && key == "k29";
      ASSERT_TRUE(got.error().code() == Code::kCorruption || torn_end) << got.error().message();
    }
    ASSERT_LE(lost, 1);
    shut(store);
  }
}

}  // namespace
}  // namespace tlog::store
