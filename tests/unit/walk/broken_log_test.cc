// Goal: what is wrong in the stores is found, worked around where k good shards are left, and
// reported exactly where not; nothing wrong is ever handed out, and no log is shortened or served
// as new because stores forgot it.
#include <gtest/gtest.h>

#include "tests/support/log_rig.h"

namespace tlog::walk {
namespace {

using testing::FaultStore;
using testing::LogRig;

void fill(LogRig& rig, unsigned count) {
  ASSERT_TRUE(rig.begin(count));
  ASSERT_TRUE(rig.wait_until([&] { return rig.writer().status().missing_shards == 0; }));
  rig.close_writer();
}

bool flip(Buffer& value) {
  value.data()[value.size() / 2] ^= std::byte{0x10};
  return true;
}
bool truncate(Buffer& value) {
  value.reset_size(value.size() - 70);
  return true;
}
bool lose(Buffer&) {
  return false;
}

TEST(LogReader, corrupt_shard_is_not_used) {
  LogRig rig;
  fill(rig, 12);
  rig.tamper(3, 0, flip);
  rig.tamper(4, 3, truncate);
  rig.tamper(5, 1, lose);
  rig.tamper(5, 2, flip);
  // Another index of the same aggregation, and the shard of an older one, each intact in itself.
  Buffer other;
  rig.tamper(6, 5, [&](Buffer& value) { return other = Buffer::copy_of(value.span()), true; });
  rig.tamper(6, 1, [&](Buffer& value) { return value = Buffer::copy_of(other.span()), true; });
  rig.tamper(7, 0, [&](Buffer& value) { return other = Buffer::copy_of(value.span()), true; });
  rig.tamper(8, 0, [&](Buffer& value) { return value = Buffer::copy_of(other.span()), true; });
  rig.expect_log_is_model();

  auto reader = rig.read();
  ASSERT_TRUE(reader);
  std::vector<unsigned> bad;
  ASSERT_TRUE((*reader)->walk({.read_ahead = 1}, [&](Visited& found) -> Result<bool> {
    bad.push_back(found.shards_bad);
    return true;
  }));
  EXPECT_EQ(bad, (std::vector<unsigned>{0, 0, 1, 1, 2, 1, 0, 1, 0, 0, 0, 0}));
}

TEST(LogReader, any_two_stores_may_be_gone) {
  LogRig rig;
  fill(rig, 8);
  for (unsigned a = 0; a < 6; ++a) {
    for (unsigned b = a + 1; b < 6; ++b) {
      rig.fault(a).set(FaultStore::Mode::kDown);
      rig.fault(b).set(FaultStore::Mode::kDown);
      rig.expect_log_is_model();
      rig.fault(a).set(FaultStore::Mode::kUp);
      rig.fault(b).set(FaultStore::Mode::kUp);
    }
  }
}

TEST(LogReader, a_store_that_hangs_is_not_waited_for) {
  LogRig rig;
  fill(rig, 8);
  rig.fault(2).set(FaultStore::Mode::kHang);
  rig.expect_log_is_model();
  rig.fault(2).set(FaultStore::Mode::kUp);
}

// Each waiting for the same store would cost half a second more.
TEST(LogReader, a_store_that_was_silent_at_the_opening_is_asked_for_no_shard) {
  LogRig rig;
  fill(rig, 20);
  for (unsigned i : {1U, 4U}) rig.fault(i).set(FaultStore::Mode::kHang);
  const std::uint64_t before[] = {rig.fault(1).gets(), rig.fault(4).gets()};
  auto reader = rig.read();
  ASSERT_TRUE(reader) << reader.error().message();
  unsigned visits = 0;
  ASSERT_TRUE((*reader)->walk({}, [&](Visited&) -> Result<bool> { return ++visits > 0; }));
  EXPECT_EQ(visits, 20U);
  EXPECT_EQ(rig.fault(1).gets() - before[0], 1U) << "more than the metadata";
  EXPECT_EQ(rig.fault(4).gets() - before[1], 1U) << "more than the metadata";
  // One that answers again is as good as any.
  for (unsigned i : {1U, 4U}) rig.fault(i).set(FaultStore::Mode::kUp);
  ASSERT_TRUE((*reader)->refresh_head());
  ASSERT_TRUE((*reader)->walk({}, [](Visited&) -> Result<bool> { return true; }));
  EXPECT_GT(rig.fault(1).gets() - before[0], 2U);
  EXPECT_GT(rig.fault(4).gets() - before[1], 2U);
}

TEST(LogReader, too_few_stores_are_never_the_end) {
  LogRig rig;
  fill(rig, 8);
  auto reader = rig.read();
  ASSERT_TRUE(reader);
  for (unsigned i : {0U, 2U, 5U}) rig.fault(i).set(FaultStore::Mode::kDown);
  Status walked = (*reader)->walk({}, [](Visited&) -> Result<bool> { return true; });
  ASSERT_FALSE(walked);
  EXPECT_EQ(walked.error().code(), Code::kUnavailable) << walked.error().message();
  EXPECT_NE(walked.error().message().find("memory 2"), std::string::npos)
      << walked.error().message();
  auto opened = rig.read();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Code::kUnavailable) << opened.error().message();
}

TEST(LogReader, wiped_store_is_not_end_of_log) {
  LogRig rig;
  ASSERT_TRUE(rig.begin());
  rig.append(30);
  ASSERT_TRUE(rig.wait_until(
      [&] { return rig.committed() == 30 && rig.writer().status().missing_shards == 0; }));
  rig.crash_writer();  // the hint is at 0: everything is found by probing
  rig.wipe(1);
  rig.expect_log_is_model();
  rig.wipe(4);
  rig.expect_log_is_model();
  EXPECT_TRUE(rig.logger().has("memory 4 has no metadata of the vdisk: it is new or was wiped"));
  // A third one: what is left is not enough, which is not the same as an empty log.
  rig.wipe(5);
  auto reader = rig.read();
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code(), Code::kUnavailable) << reader.error().message();
  for (unsigned i : {0U, 2U, 3U}) rig.wipe(i);
  EXPECT_EQ(rig.read().error().code(), Code::kNotFound) << "nothing at all is left";
}

TEST(LogReader, lost_metadata_is_never_a_new_vdisk) {
  LogRig rig;
  fill(rig, 3);
  for (store::Store* store : rig.stores()) {
    ASSERT_TRUE(store::remove_and_wait(*store, format::metadata_key("vm1")));
  }
  auto reader = rig.read();
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code(), Code::kCorruption) << reader.error().message();
  Status created = rig.create();
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().code(), Code::kCorruption) << created.error().message();
}

TEST(LogReader, the_newest_metadata_wins_and_corrupt_copies_are_named) {
  LogRig rig;
  fill(rig, 2);
  for (unsigned i : {0U, 3U}) {
    auto value = store::get_and_wait(rig.inner(i), format::metadata_key("vm1"));
    ASSERT_TRUE(value);
    flip(*value);
    ASSERT_TRUE(store::put_and_wait(rig.inner(i), format::metadata_key("vm1"), value->span()));
  }
  rig.expect_log_is_model();
  EXPECT_TRUE(rig.logger().has("metadata is corrupt in memory 0"));
}

TEST(LogReader, wrong_key_is_told_from_corruption) {
  LogRig rig;
  fill(rig, 3);
  testing::SeededRandom random(77);
  auto key = seal::MasterKey::generate(random);
  ASSERT_TRUE(key);
  seal::Sealer other(*key, random);
  auto reader = rig.read_with(other);
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code(), Code::kWrongKey);
}

// Walks a log of 20 whose number 9 is broken: 1-8 are visited, the error names 9 and the sequence
// at which it begins.
void expect_broken_at_nine(LogRig& rig, const char* what) {
  SCOPED_TRACE(what);
  auto reader = rig.read();
  ASSERT_TRUE(reader) << reader.error().message();
  ASSERT_EQ((*reader)->head().number, 20U);
  std::vector<AggregationNumber> seen;
  auto note = [&seen](Visited& found) -> Result<bool> {
    seen.push_back(found.opened.aggregation.header.number);
    return true;
  };
  Status walked = (*reader)->walk({}, note);
  ASSERT_FALSE(walked);
  EXPECT_EQ(walked.error().code(), Code::kCorruption) << walked.error().message();
  EXPECT_EQ(seen.size(), 8U);
  const std::string position = "aggregation 9 (epoch 1, sequence " +
                               std::to_string(rig.model()[8].reference.first_sequence) + ")";
  EXPECT_NE(walked.error().message().find(position), std::string::npos) << walked.error().message();
  seen.clear();
  EXPECT_TRUE((*reader)->walk({.first = 10}, note))
      << "who asks for what is behind the break gets it";
  EXPECT_EQ(seen.size(), 11U);
}

TEST(LogReader, broken_chain_is_reported) {
  {
    LogRig rig;
    fill(rig, 20);
    for (unsigned i = 0; i < 6; ++i) rig.tamper(9, i, lose);
    expect_broken_at_nine(rig, "missing");
  }
  {
    LogRig rig;
    fill(rig, 20);
    for (unsigned i = 0; i < 3; ++i) rig.tamper(9, i, flip);
    expect_broken_at_nine(rig, "altered");
  }
  {
    LogRig rig;
    fill(rig, 20);
    for (unsigned i = 0; i < 6; ++i) {
      Buffer older;
      rig.tamper(8, i, [&](Buffer& value) { return older = Buffer::copy_of(value.span()), true; });
      rig.tamper(9, i, [&](Buffer& value) { return value = Buffer::copy_of(older.span()), true; });
    }
    expect_broken_at_nine(rig, "reordered");
  }
}

// Sealed with the right key for the right place, but it is not the one that was there.
TEST(LogReader, a_foreign_aggregation_in_the_middle_is_reported) {
  LogRig rig;
  fill(rig, 20);
  const auto& before = rig.model()[7].reference;
  testing::Appended made;
  rig.overwrite(9, rig.make(1, 9, before.last_sequence + 1, Hash256{{1, 2, 3}}, made));
  auto reader = rig.read();
  ASSERT_TRUE(reader);
  std::size_t seen = 0;
  auto note = [&seen](Visited&) -> Result<bool> { return ++seen, true; };
  Status walked = (*reader)->walk({}, note);
  ASSERT_FALSE(walked);
  EXPECT_EQ(seen, 8U);
  EXPECT_NE(walked.error().message().find("aggregation 9 (epoch 1"), std::string::npos);
  EXPECT_NE(walked.error().message().find("does not link"), std::string::npos)
      << walked.error().message();

  // It links to what was before it: then what follows tells.
  rig.overwrite(9, rig.make(1, 9, before.last_sequence + 1, before.hash, made));
  seen = 0;
  walked = (*reader)->walk({}, note);
  ASSERT_FALSE(walked);
  EXPECT_EQ(seen, 9U);
  EXPECT_NE(walked.error().message().find("aggregation 10 (epoch 1"), std::string::npos)
      << walked.error().message();
}

TEST(LogReader, a_corrupt_newest_falls_back_and_says_so) {
  LogRig rig;
  fill(rig, 20);
  for (unsigned i = 0; i < 3; ++i) rig.tamper(20, i, flip);
  auto reader = rig.read();
  ASSERT_TRUE(reader) << reader.error().message();
  EXPECT_EQ((*reader)->head().number, 19U);
  EXPECT_EQ((*reader)->head().hash, rig.model()[18].reference.hash);
  EXPECT_TRUE(rig.logger().has("event=log_head_unreadable vdisk=vm1 number=20 committed=true"));
  // What cannot be read is not the end of the log for whoever reads it to the end.
  ASSERT_NE((*reader)->damage(), nullptr);
  AggregationNumber seen = 0;
  auto count = [&](Visited& visited) -> Result<bool> {
    seen = visited.opened.aggregation.header.number;
    return true;
  };
  Status walked = (*reader)->walk({}, count);
  EXPECT_EQ(seen, 19U);
  ASSERT_FALSE(walked);
  EXPECT_EQ(walked.error().code(), Code::kCorruption);
  EXPECT_NE(walked.error().message().find("aggregation 20 (epoch 1"), std::string::npos)
      << walked.error().message();
  EXPECT_TRUE((*reader)->walk({.last = 19}, count));
  // All that the hint names: that is no head any more.
  for (AggregationNumber n = 15; n < 20; ++n) {
    for (unsigned i = 0; i < 3; ++i) rig.tamper(n, i, flip);
  }
  EXPECT_EQ(rig.read().error().code(), Code::kCorruption);
}

// Its shards are intact and agree, but what they make is no aggregation of this log. Four were
// asked for: the other two may be there as well, so that nothing says it was not committed.
TEST(LogReader, what_was_not_asked_for_is_not_absent) {
  LogRig rig;
  ASSERT_TRUE(rig.begin());
  rig.append(1);
  ASSERT_TRUE(rig.wait_until(
      [&] { return rig.committed() == 1 && rig.writer().status().missing_shards == 0; }));
  rig.crash_writer();  // the hint is at 0: it is found by probing
  testing::Appended made;
  rig.overwrite(1, rig.make(1, 1, 5, Hash256{}, made));
  auto reader = rig.read();
  ASSERT_TRUE(reader) << reader.error().message();
  EXPECT_EQ((*reader)->head().number, 0U);
  ASSERT_NE((*reader)->damage(), nullptr) << "the log is said to be sound, and empty";
  EXPECT_EQ((*reader)->damage()->code(), Code::kCorruption);
}

// What a writer that crashed left half-written was never committed; the next writer uses the number
// again, and the leftovers never get mixed with it.
TEST(LogReader, a_half_written_tail_is_not_the_log) {
  LogRig rig;
  fill(rig, 10);
  ASSERT_TRUE(rig.open_writer());
  for (unsigned i : {0U, 1U, 2U}) rig.fault(i).set(FaultStore::Mode::kFull);
  rig.append(2);
  ASSERT_TRUE(rig.wait_until([&] { return !rig.writer().status().waiting_for.empty(); }));
  rig.crash_writer();
  for (unsigned i : {0U, 1U, 2U}) rig.fault(i).set(FaultStore::Mode::kUp);
  EXPECT_EQ(rig.committed(), 10U);
  ASSERT_TRUE(rig.open_writer());
  EXPECT_EQ(rig.model().size(), 10U);
  rig.append(5);
  ASSERT_TRUE(rig.wait_committed(15));
  rig.close_writer();
  rig.expect_log_is_model();
}

TEST(LogReader, an_undecided_tail_is_not_cut_off) {
  LogRig rig;
  fill(rig, 10);
  ASSERT_TRUE(rig.open_writer());
  rig.append(3);
  ASSERT_TRUE(rig.wait_until(
      [&] { return rig.committed() == 13 && rig.writer().status().missing_shards == 0; }));
  rig.crash_writer();
  // Number 13 keeps three shards that answer; the stores of the others do not.
  for (unsigned i : {0U, 1U, 2U}) rig.fault(i).set(FaultStore::Mode::kDown);
  auto reader = rig.read();
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code(), Code::kUnavailable);
  EXPECT_NE(reader.error().message().find("undecided"), std::string::npos)
      << reader.error().message();
  EXPECT_NE(reader.error().message().find("memory 1"), std::string::npos);
}

}  // namespace
}  // namespace tlog::walk
