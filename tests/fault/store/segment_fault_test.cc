// The Nth file operation fails, for every N; the disk is full, and has room again.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <thread>

#include "tests/support/fault_files.h"
#include "tests/unit/store/segment_fixture.h"
#include "tlog/base/clock.h"

namespace tlog::store {
namespace {

class FaultTest : public SegmentTest {
 protected:
  static constexpr std::uint64_t kPatienceNs = 20'000'000'000;

  // Puts until it succeeds; false when it never does.
  static bool put_in_the_end(Store& store, const std::string& key, const std::string& value) {
    std::uint64_t deadline = system_clock().monotonic_ns() + kPatienceNs;
    while (system_clock().monotonic_ns() < deadline) {
      if (put(store, key, value)) return true;
      std::this_thread::yield();
    }
    return false;
  }
  // What is stored is right, or the reading says that it failed, but never "not found".
  static void expect_right_or_failing(Store& store, const Model& model) {
    for (const auto& [key, value] : model) {
      auto got = get_and_wait(store, key);
      if (got) {
        ASSERT_EQ(text_of(*got), value);
      } else {
        ASSERT_NE(got.error().code(), Code::kNotFound) << got.error().message();
      }
    }
  }
  // Puts, removes and reads while one operation fails. What succeeded is in the model.
  void use(Store& store, Model& model, std::mt19937_64& random) {
    for (int i = 0; i < 14; ++i) {
      std::string key = "k" + std::to_string(i % 9);
      if (i % 7 == 6) {
        // One that failed may have happened all the same: from here on nothing is known of the key.
        (void)remove_and_wait(store, key);
        model.erase(key);
        continue;
      }
      std::string value = random_text(random, 100 + i * 1500);
      model.erase(key);
      ASSERT_TRUE(put_in_the_end(store, key, value));
      model[key] = value;
      if (i % 5 != 4) continue;
      ASSERT_NO_FATAL_FAILURE(expect_right_or_failing(store, model));
    }
  }
};

TEST_F(FaultTest, nth_operation_fails) {
  std::mt19937_64 random(11);
  std::uint64_t nth = 1;
  for (bool clean = false; !clean; ++nth) {
    ASSERT_LT(nth, 2000u);
    SCOPED_TRACE("operation " + std::to_string(nth));
    SegmentStoreOptions own = options();
    own.directory = directory_.file("n" + std::to_string(nth));
    Model model;
    // Something to recover.
    auto store = open(own);
    ASSERT_TRUE(store);
    for (int i = 20; i < 30; ++i) {
      model["k" + std::to_string(i)] = random_text(random, 9000);
      ASSERT_TRUE(put(*store, "k" + std::to_string(i), model["k" + std::to_string(i)]));
    }
    shut(store);

    testing::FaultFiles files(io::system_files());
    files.inject({.nth = nth, .sticky = false});
    auto opened = open_segment_store(own, files, loop(), null_logger());
    if (!opened) {
      EXPECT_TRUE(files.fired());
      opened = open_segment_store(own, files, loop(), null_logger());
    }
    ASSERT_TRUE(opened) << opened.error().message();
    ASSERT_NO_FATAL_FAILURE(use(**opened, model, random));
    ASSERT_NO_FATAL_FAILURE(expect_right_or_failing(**opened, model));
    shut(*opened);
    clean = !files.fired();
    store = open(own);
    ASSERT_TRUE(store);
    for (const auto& [key, value] : model) expect_value(*store, key, value);
    EXPECT_EQ(code_of_get(*store, "never"), Code::kNotFound);
    shut(store);
  }
  EXPECT_GT(nth, 40u);
}

TEST_F(FaultTest, reader_says_what_fails) {
  auto store = open();
  ASSERT_TRUE(store);
  Model model;
  std::mt19937_64 random(12);
  for (int i = 0; i < 20; ++i) {
    model["k" + std::to_string(i)] = random_text(random, 9000);
    ASSERT_TRUE(put(*store, "k" + std::to_string(i), model["k" + std::to_string(i)]));
  }
  SegmentStoreOptions reading = options();
  reading.read_only = true;
  std::uint64_t nth = 1;
  for (bool clean = false; !clean; ++nth) {
    ASSERT_LT(nth, 2000u);
    SCOPED_TRACE("operation " + std::to_string(nth));
    testing::FaultFiles files(io::system_files());
    files.inject({.nth = nth, .sticky = true});
    auto reader = open_segment_store(reading, files, loop(), null_logger());
    if (reader) {
      ASSERT_NO_FATAL_FAILURE(expect_right_or_failing(**reader, model));
      files.clear();
      for (const auto& [key, value] : model) expect_value(**reader, key, value);
      shut(*reader);
    }
    clean = !files.fired() && reader;
    if (reader) continue;
    EXPECT_NE(reader.error().code(), Code::kNotFound);
  }
  shut(store);
}

// After a failed sync nothing in that segment counts that was not durable before.
TEST_F(FaultTest, failed_sync_is_never_retried_on_the_same_segment) {
  testing::FaultFiles files(io::system_files());
  auto store = open(options(), files);
  ASSERT_TRUE(store);
  ASSERT_TRUE(put(*store, "before", "durable"));
  files.inject({.operations = testing::kSyncFile, .nth = 1});
  Status failed = put(*store, "during", "lost");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Code::kIoError);
  EXPECT_NE(failed.error().message().find("log/0"), std::string::npos);
  EXPECT_FALSE(store->status().usable);
  EXPECT_EQ(code_of_get(*store, "during"), Code::kNotFound);
  ASSERT_TRUE(put_in_the_end(*store, "after", "durable"));
  EXPECT_TRUE(store->status().usable);
  expect_value(*store, "before", "durable");
  EXPECT_EQ(segment_files().size(), 2u);
  shut(store);
  store = open();
  ASSERT_TRUE(store);
  expect_value(*store, "before", "durable");
  expect_value(*store, "after", "durable");
  EXPECT_EQ(code_of_get(*store, "during"),
            Code::kNotFound);  // it was reported as failed, and stays so
  shut(store);
}

TEST_F(FaultTest, failing_puts_fail_at_once_while_the_store_backs_off) {
  SegmentStoreOptions slow = options();
  slow.retry_min_ns = slow.retry_max_ns = 3'600'000'000'000;
  testing::FaultFiles files(io::system_files());
  auto store = open(slow, files);
  ASSERT_TRUE(store);
  files.inject({.operations = testing::kWriteFile, .nth = 1});
  EXPECT_FALSE(put(*store, "a", "1"));
  std::uint64_t operations = files.count();
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(put(*store, "a", "1"));
  EXPECT_LE(files.count(), operations + 1);  // no_spin_when_stores_are_gone, in the small
  EXPECT_EQ(store->status().queued_bytes, 0u);
  shut(store);
}

TEST_F(FaultTest, full_disk_heals_by_itself) {
  testing::FaultFiles files(io::system_files());
  auto store = open(options(), files);
  ASSERT_TRUE(store);
  ASSERT_TRUE(put(*store, "before", "value"));
  files.inject({.operations = testing::kWriteFile | testing::kPreallocateFile | testing::kOpenFile,
                .nth = 1,
                .error_number = ENOSPC,
                .sticky = true});
  for (int i = 0; i < 20; ++i) {
    Status status = put(*store, "full", "value");
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), Code::kNoSpace);
    EXPECT_NE(status.error().message().find("make room"), std::string::npos);
  }
  EXPECT_EQ(store->status().condition, "no space");
  files.clear();
  expect_value(*store, "before", "value");
  ASSERT_TRUE(put_in_the_end(*store, "full", "value"));
  EXPECT_EQ(store->status().condition, "up");
  shut(store);
  EXPECT_LE(segment_files().size(), 3u);
}

TEST_F(FaultTest, full_file_system_heals_by_itself) {
  std::string place = directory_.file("small");
  ASSERT_TRUE(io::system_files().make_directories(place));
  if (::mount("tlog-test", place.c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP()
        << "no right to mount a small file system; full_disk_heals_by_itself stands in for it";
  }
  SegmentStoreOptions own = options();
  own.directory = place + "/log";
  own.segment_bytes = 256 * kKiB;
  {
    auto store = open(own);
    ASSERT_TRUE(store);
    std::mt19937_64 random(13);
    Model model;
    std::string other = place + "/other";
    testing::write_text(other, std::string(200'000, 'x'));
    Status status;
    for (int i = 0; status && i < 100; ++i) {
      std::string key = "k" + std::to_string(i);
      std::string value = random_text(random, 40'000);
      status = put(*store, key, value);
      if (status) model[key] = value;
    }
    EXPECT_FALSE(status);
    EXPECT_EQ(status.error().code(), Code::kNoSpace) << status.error().message();
    EXPECT_GT(model.size(), 10u);
    for (const auto& [key, value] : model) expect_value(*store, key, value);
    ASSERT_TRUE(io::system_files().remove(other));
    EXPECT_TRUE(put_in_the_end(*store, "again", "value"));
    shut(store);
    store = open(own);
    for (const auto& [key, value] : model) expect_value(*store, key, value);
    expect_value(*store, "again", "value");
    shut(store);
  }
  EXPECT_EQ(::umount(place.c_str()), 0);
}

}  // namespace
}  // namespace tlog::store
