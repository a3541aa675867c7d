#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/unit/store/segment_fixture.h"

namespace tlog::store {
namespace {

using SegmentStoreTest = SegmentTest;

TEST_F(SegmentStoreTest, follows_a_map_through_overwrites_removes_and_reopens) {
  std::uint64_t seed = system_random().next_u64();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  Model model;
  auto store = open();
  ASSERT_TRUE(store);
  for (int round = 0; round < 12; ++round) {
    for (int step = 0; step < 60; ++step) {
      std::string key =
          "tlog:vm1:" + std::to_string(random() % 3) + ":" + std::to_string(random() % 40);
      if (random() % 4 == 0) {
        ASSERT_TRUE(remove_and_wait(*store, key));
        model.erase(key);
      } else {
        model[key] = random_text(random, random() % 5 == 0 ? random() % 9000 : random() % 300);
        ASSERT_TRUE(put(*store, key, model[key]));
      }
    }
    ASSERT_NO_FATAL_FAILURE(expect_model(*store, model));
    if (random() % 2 == 0) continue;
    shut(store);
    store = open();
    ASSERT_TRUE(store);
    ASSERT_NO_FATAL_FAILURE(expect_model(*store, model));
  }
  EXPECT_GT(segment_files().size(), 3u);
  shut(store);
}

TEST_F(SegmentStoreTest, many_puts_at_once_are_all_kept) {
  auto store = open();
  ASSERT_TRUE(store);
  std::string value(5000, 'v');
  std::atomic<int> good = 0;
  std::atomic<int> answers = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        PutOptions how{.urgent = i % 10 == 0};
        store->put("k" + std::to_string(t) + ":" + std::to_string(i), {bytes_of(value)}, how,
                   [&](Status s) {
                     good += s ? 1 : 0;
                     ++answers;
                   });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  shut(store);  // waits for them
  EXPECT_EQ(answers, 400);
  EXPECT_EQ(good, 400);
  store = open();
  ASSERT_TRUE(store);
  EXPECT_EQ(scan_and_wait(*store, "k", "", 1000)->size(), 400u);
  expect_value(*store, "k3:99", value);
  shut(store);
}

TEST_F(SegmentStoreTest, sizes_from_nothing_to_more_than_a_segment) {
  auto store = open();
  ASSERT_TRUE(store);
  std::mt19937_64 random(1);
  Model model;
  for (std::size_t length : {0, 1, 63, 64, 65, 4095, 4096, 70'000, 200'000, 3}) {
    std::string key = "k" + std::to_string(length);
    model[key] = random_text(random, length);
    ASSERT_TRUE(put(*store, key, model[key]));
  }
  ASSERT_NO_FATAL_FAILURE(expect_model(*store, model));
  shut(store);
  store = open();
  ASSERT_TRUE(store);
  ASSERT_NO_FATAL_FAILURE(expect_model(*store, model));
  EXPECT_EQ(put(*store, std::string(513, 'k'), "v").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(put(*store, "", "v").error().code(), Code::kInvalidArgument);
  EXPECT_TRUE(put(*store, std::string(512, 'k'), "v"));
  shut(store);
}

TEST_F(SegmentStoreTest, opens_the_same_after_a_crash_at_any_time) {
  auto store = open();
  ASSERT_TRUE(store);
  std::mt19937_64 random(7);
  Model model;
  for (int i = 0; i < 60; ++i) {
    std::string key = "k" + std::to_string(i);
    model[key] = random_text(random, random() % 4000);
    ASSERT_TRUE(put(*store, key, model[key]));
    if (i % 10 != 9) continue;
    SegmentStoreOptions copied = options();
    copied.directory = copy_folder("crash" + std::to_string(i));
    auto again = open(copied);
    ASSERT_TRUE(again);
    ASSERT_NO_FATAL_FAILURE(expect_model(*again, model));
    ASSERT_TRUE(put(*again, "more", "goes on"));
    shut(again);
    again = open(copied);
    ASSERT_TRUE(again);
    expect_value(*again, "more", "goes on");
    EXPECT_EQ(code_of_get(*again, "absent"), Code::kNotFound);
    shut(again);
  }
  shut(store);
}

TEST_F(SegmentStoreTest, second_opener_is_refused) {
  auto store = open();
  ASSERT_TRUE(store);
  auto second = open_segment_store(options(), io::system_files(), loop(), null_logger());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::kUnavailable);
  EXPECT_NE(second.error().message().find("vm1"), std::string::npos);
  shut(store);
  store = open();  // no stale lock
  ASSERT_TRUE(store);
  shut(store);
}

TEST_F(SegmentStoreTest, a_folder_of_another_vdisk_is_refused) {
  auto store = open();
  ASSERT_TRUE(store);
  ASSERT_TRUE(put(*store, "k", "v"));
  shut(store);
  ASSERT_TRUE(io::system_files().rename(folder(), directory_.file("log/0/vm2")));
  SegmentStoreOptions other = options();
  other.vdisk = "vm2";
  auto refused = open_segment_store(other, io::system_files(), loop(), null_logger());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kInvalidArgument);
  EXPECT_NE(refused.error().message().find("belongs to vdisk vm1"), std::string::npos);
  other.vdisk = "../vm1";
  EXPECT_FALSE(open_segment_store(other, io::system_files(), loop(), null_logger()));
}

TEST_F(SegmentStoreTest, not_urgent_puts_wait_for_company_until_somebody_hurries) {
  SegmentStoreOptions patient = options();
  patient.gather_ns = 3'600'000'000'000;
  auto store = open(patient);
  ASSERT_TRUE(store);
  ASSERT_TRUE(put(*store, "first", "v"));
  std::atomic<int> answered = 0;
  std::string value = "quiet";
  store->put("quiet", {bytes_of(value)}, {}, [&](Status s) { answered += s ? 1 : 100; });
  EXPECT_EQ(code_of_get(*store, "quiet"), Code::kNotFound);
  EXPECT_EQ(answered, 0);
  EXPECT_GT(store->status().queued_bytes, 0u);
  ASSERT_TRUE(put(*store, "urgent", "v"));  // takes along what came before
  EXPECT_EQ(answered, 1);
  expect_value(*store, "quiet", value);
  EXPECT_EQ(store->status().queued_bytes, 0u);

  std::string large(40 * kKiB, 'l');  // more than gather_bytes
  std::atomic<bool> done = false;
  store->put("large", {bytes_of(large)}, {}, [&](Status) { done = true; });
  while (!done) std::this_thread::yield();  // bounded by the test's time limit
  store->put("last", {bytes_of(value)}, {}, [&](Status s) { answered += s ? 1 : 100; });
  shut(store);
  EXPECT_EQ(answered, 2);
}

TEST_F(SegmentStoreTest, reads_beside_the_writer_find_what_came_later) {
  auto absent = options();
  absent.read_only = true;
  EXPECT_EQ(open_segment_store(absent, io::system_files(), loop(), null_logger()).error().code(),
            Code::kNotFound);
  auto store = open();
  ASSERT_TRUE(store);
  std::mt19937_64 random(3);
  Model model;
  ASSERT_TRUE(put(*store, "k", "first"));
  model["k"] = "first";
  auto reader = open(absent);
  ASSERT_TRUE(reader);
  for (int i = 0; i < 80; ++i) {
    std::string key = "k" + std::to_string(i);
    EXPECT_EQ(code_of_get(*reader, key), Code::kNotFound) << last_message_;
    model[key] = random_text(random, random() % 5000);
    ASSERT_TRUE(put(*store, key, model[key]));
    expect_value(*reader, key, model[key]);
    if (i % 27 != 26) continue;
    shut(store);  // and continues the segment it has just sealed
    store = open();
    ASSERT_TRUE(store);
  }
  ASSERT_NO_FATAL_FAILURE(expect_model(*reader, model));
  EXPECT_EQ(put(*reader, "k", "v").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(remove_and_wait(*reader, "k").error().code(), Code::kInvalidArgument);
  shut(reader);
  shut(store);
}

TEST_F(SegmentStoreTest, reads_while_the_writer_writes_are_never_wrong) {
  std::uint64_t seed = system_random().next_u64();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  auto store = open();
  ASSERT_TRUE(store);
  SegmentStoreOptions reading = options();
  reading.read_only = true;
  auto reader = open(reading);
  ASSERT_TRUE(reader);
  constexpr int kPuts = 300;
  auto value_of = [](int i) {
    return std::string(static_cast<std::size_t>(1 + i * 977 % 9000), static_cast<char>(i));
  };
  std::atomic<int> answered = 0;
  std::thread writer([&] {
    for (int i = 0; i < kPuts; ++i) {
      EXPECT_TRUE(put(*store, "k" + std::to_string(i), value_of(i)));
      ++answered;
    }
  });
  for (int now = 0; now < kPuts;) {
    now = answered;
    int i = static_cast<int>(random() % kPuts);
    auto got = get_and_wait(*reader, "k" + std::to_string(i));
    if (got) {
      EXPECT_EQ(text_of(*got), value_of(i));
    } else {
      EXPECT_EQ(got.error().code(), Code::kNotFound) << got.error().message();
      EXPECT_GE(i, now) << "answered, and not found";
    }
  }
  writer.join();
  shut(reader);
  shut(store);
}

TEST_F(SegmentStoreTest, calls_after_close_are_answered) {
  auto store = open();
  ASSERT_TRUE(store);
  close_and_wait(*store);
  EXPECT_EQ(put(*store, "k", "v").error().code(), Code::kShutdown);
  EXPECT_EQ(code_of_get(*store, "k"), Code::kShutdown);
  EXPECT_FALSE(store->status().usable);
}

TEST_F(SegmentStoreTest, a_store_that_was_not_used_leaves_no_segment) {
  auto store = open();
  ASSERT_TRUE(store);
  EXPECT_EQ(code_of_get(*store, "k"), Code::kNotFound);
  shut(store);
  EXPECT_TRUE(segment_files().empty());
  store = open();
  ASSERT_TRUE(put(*store, "k", "v"));
  shut(store);
  for (int i = 0; i < 5; ++i) {
    store = open();
    ASSERT_TRUE(put(*store, "k", "v" + std::to_string(i)));
    shut(store);
  }
  EXPECT_EQ(segment_files().size(), 1u);  // a small one is continued
}

}  // namespace
}  // namespace tlog::store
