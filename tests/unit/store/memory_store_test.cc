#include "tlog/store/memory_store.h"

#include <atomic>

#include "tests/unit/store/loop_fixture.h"
#include "tlog/store/stores.h"

namespace tlog::store {
namespace {

using MemoryStoreTest = LoopTest;

TEST_F(MemoryStoreTest, keeps_the_newest_bytes_of_a_key) {
  auto store = make_memory_store("memory", loop());
  ASSERT_TRUE(put_and_wait(*store, "a", bytes_of(std::string_view("one"))));
  ASSERT_TRUE(put_and_wait(*store, "a", bytes_of(std::string_view("second"))));
  auto value = get_and_wait(*store, "a");
  ASSERT_TRUE(value);
  EXPECT_EQ(text_of(*value), "second");
  EXPECT_EQ(*stat_and_wait(*store, "a"), 6u);
  ASSERT_TRUE(remove_and_wait(*store, "a"));
  EXPECT_EQ(get_and_wait(*store, "a").error().code(), Code::kNotFound);
  EXPECT_EQ(stat_and_wait(*store, "a").error().code(), Code::kNotFound);
  close_and_wait(*store);
}

TEST_F(MemoryStoreTest, joins_pieces_and_answers_on_the_loop) {
  auto store = make_memory_store("memory", loop());
  std::string first = "ab";
  std::string last = "cd";
  std::atomic<bool> on_loop = false;
  store->put("k", {bytes_of(first), {}, bytes_of(last)}, {},
             [&](Status) { on_loop = loop().in_loop_thread(); });
  auto value = get_and_wait(*store, "k");
  ASSERT_TRUE(value);
  EXPECT_EQ(text_of(*value), "abcd");
  EXPECT_TRUE(on_loop);
  close_and_wait(*store);
}

TEST_F(MemoryStoreTest, scans_in_order_after_a_key) {
  auto store = make_memory_store("memory", loop());
  for (std::string key : {"p:3", "p:1", "q:1", "p:2", "o"}) {
    ASSERT_TRUE(put_and_wait(*store, key, bytes_of(key)));
  }
  using Keys = std::vector<std::string>;
  EXPECT_EQ(*scan_and_wait(*store, "p:", "", 10), (Keys{"p:1", "p:2", "p:3"}));
  EXPECT_EQ(*scan_and_wait(*store, "p:", "p:1", 1), (Keys{"p:2"}));
  EXPECT_EQ(*scan_and_wait(*store, "p:", "p:3", 10), Keys{});
  EXPECT_EQ(*scan_and_wait(*store, "", "p:3", 10), (Keys{"q:1"}));
  close_and_wait(*store);
}

TEST_F(MemoryStoreTest, contents_are_found_again_and_failures_are_injected) {
  auto contents = std::make_shared<MemoryStoreContents>();
  auto store = make_memory_store("memory", loop(), contents);
  contents->fail_next_puts(2, Code::kNoSpace);
  EXPECT_EQ(put_and_wait(*store, "a", bytes_of(std::string_view("1"))).error().code(),
            Code::kNoSpace);
  EXPECT_EQ(get_and_wait(*store, "a").error().code(), Code::kNotFound);
  EXPECT_EQ(remove_and_wait(*store, "a").error().code(), Code::kNoSpace);
  EXPECT_TRUE(put_and_wait(*store, "a", bytes_of(std::string_view("1"))));
  contents->refuse(true);
  EXPECT_EQ(get_and_wait(*store, "a").error().code(), Code::kUnavailable);
  EXPECT_FALSE(store->status().usable);
  contents->refuse(false);
  close_and_wait(*store);
  EXPECT_EQ(get_and_wait(*store, "a").error().code(), Code::kShutdown);

  store = make_memory_store("memory", loop(), contents);
  auto value = get_and_wait(*store, "a");
  ASSERT_TRUE(value);
  EXPECT_EQ(text_of(*value), "1");
  close_and_wait(*store);
}

TEST_F(MemoryStoreTest, close_waits_for_delayed_answers) {
  auto contents = std::make_shared<MemoryStoreContents>();
  auto store = make_memory_store("memory", loop(), contents);
  contents->delay(20'000'000);
  std::atomic<int> answers = 0;
  std::string value = "v";
  for (int i = 0; i < 5; ++i) {
    store->put("k" + std::to_string(i), {bytes_of(value)}, {},
               [&](Status s) { answers += s ? 1 : 100; });
  }
  close_and_wait(*store);
  EXPECT_EQ(answers, 5);
  contents->edit([](auto& values) { EXPECT_EQ(values.size(), 5u); });
}

}  // namespace
}  // namespace tlog::store
