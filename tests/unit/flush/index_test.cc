// Goal: the index finds exactly the aggregation that a sequence or a time is in, with its pages,
// without some of them, and when the writer was opened anew in the middle of a page.
#include <gtest/gtest.h>

#include "tests/support/log_rig.h"
#include "tlog/base/limits.h"

namespace tlog::flush {
namespace {

using testing::LogRig;

void expect_index_is_exact(LogRig& rig) {
  auto opened = rig.read();
  ASSERT_TRUE(opened) << opened.error().message();
  walk::LogReader& reader = **opened;
  for (const testing::Appended& each : rig.model()) {
    const format::AggregationReference& known = each.reference;
    // All of the first pages' seams and a sample of the rest.
    if (known.number % 256 > 2 && known.number % 256 < 254 && known.number % 37 != 0) continue;
    for (Sequence sequence : {known.first_sequence, known.last_sequence}) {
      auto found = reader.find_sequence(sequence);
      ASSERT_TRUE(found) << found.error().message();
      ASSERT_EQ(*found, known.number) << "sequence " << sequence;
    }
    auto at = reader.find_time(known.last_timestamp);
    ASSERT_TRUE(at) << at.error().message();
    ASSERT_EQ(*at, known.number);
    auto before = reader.find_time(known.last_timestamp - 1);
    if (known.number == 1) {
      ASSERT_EQ(before.error().code(), Code::kNotFound);
    } else {
      ASSERT_EQ(*before, known.number - 1);
    }
  }
  const format::AggregationReference& newest = rig.model().back().reference;
  EXPECT_EQ(*reader.find_time(newest.last_timestamp + 1'000'000), newest.number);
  EXPECT_EQ(reader.find_sequence(newest.last_sequence + 1).error().code(), Code::kNotFound);
  EXPECT_EQ(reader.find_sequence(0).error().code(), Code::kNotFound);
}

void append_and_wait(LogRig& rig, unsigned count) {
  rig.append(count, false);
  ASSERT_TRUE(rig.wait_committed(rig.model().size()));
}

bool pages_are(LogRig& rig, std::uint64_t pages) {
  return rig.wait_until([&] {
    auto found = walk::read_metadata(rig.vdisk(), rig.stores());
    return found && found->metadata.index_pages == pages;
  });
}

TEST(Index, finds_sequences_and_times_across_pages) {
  LogRig rig({.record_bytes_max = 60});
  ASSERT_TRUE(rig.create());
  ASSERT_TRUE(rig.open_writer());
  append_and_wait(rig, 300);
  rig.crash_writer();
  ASSERT_TRUE(rig.open_writer());  // in the middle of page 1: its beginning is read from the log
  append_and_wait(rig, 330);
  EXPECT_TRUE(pages_are(rig, 2));
  rig.close_writer();
  expect_index_is_exact(rig);
  EXPECT_FALSE(rig.logger().has("event=index_page_unreadable"));
  rig.expect_log_is_model();
}

TEST(Index, does_without_pages_that_are_lost) {
  LogRig rig({.record_bytes_max = 60, .writer_has_workers = false});
  ASSERT_TRUE(rig.create());
  ASSERT_TRUE(rig.open_writer());
  append_and_wait(rig, 520);
  EXPECT_TRUE(pages_are(rig, 2));
  rig.close_writer();
  for (unsigned i = 0; i < 6; ++i) {
    auto page = store::get_and_wait(rig.inner(i), format::index_page_key("vm1", 1));
    ASSERT_TRUE(page);
    page->data()[page->size() / 2] ^= std::byte{1};
    ASSERT_TRUE(store::put_and_wait(rig.inner(i), format::index_page_key("vm1", 1), page->span()));
  }
  expect_index_is_exact(rig);
  EXPECT_TRUE(rig.logger().has("event=index_page_unreadable vdisk=vm1 page=1"));
  // The writer of the next page makes the lost one anew, from the log.
  ASSERT_TRUE(rig.open_writer());
  append_and_wait(rig, 260);
  EXPECT_TRUE(pages_are(rig, 3));
  rig.close_writer();
  EXPECT_TRUE(rig.logger().has("event=index_page_lost vdisk=vm1 page=1"));
  expect_index_is_exact(rig);
}

}  // namespace
}  // namespace tlog::flush
