// Goal: a reader gives back exactly what was appended, from where it was asked to, and ends exactly
// at the head.
#include <gtest/gtest.h>

#include "tests/support/log_rig.h"
#include "tlog/walk/chain.h"

namespace tlog::walk {
namespace {

using testing::LogRig;

TEST(LogReader, no_vdisk_is_not_found) {
  LogRig rig;
  auto reader = rig.read();
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code(), Code::kNotFound) << reader.error().message();
}

TEST(LogReader, a_new_log_is_empty) {
  LogRig rig;
  ASSERT_TRUE(rig.create());
  auto reader = rig.read();
  ASSERT_TRUE(reader) << reader.error().message();
  EXPECT_EQ((*reader)->head().number, 0U);
  EXPECT_EQ((*reader)->find_sequence(1).error().code(), Code::kNotFound);
  EXPECT_EQ((*reader)->find_time(~TimestampNs{0}).error().code(), Code::kNotFound);
  EXPECT_TRUE((*reader)->walk({}, [](Visited&) -> Result<bool> {
    ADD_FAILURE() << "nothing is there to be visited";
    return true;
  }));
}

TEST(LogReader, gives_back_what_was_appended) {
  LogRig rig;
  ASSERT_TRUE(rig.begin(40));
  rig.expect_log_is_model();  // the head is far beyond the hint
  rig.close_writer();
  rig.expect_log_is_model();
}

// At each of the places where it looks, one after the other: it never goes on.
TEST(LogReader, ends_when_it_is_told_to) {
  LogRig rig;
  ASSERT_TRUE(rig.begin(20));
  rig.crash_writer();
  unsigned visits = 0;
  for (unsigned looks = 0; visits < 20; ++looks) {
    ASSERT_LT(looks, 100U);
    SCOPED_TRACE(looks);
    visits = 0;
    unsigned looked = 0;
    auto reader = rig.read_until([&] { return looked++ >= looks; });
    auto visit = [&](Visited&) -> Result<bool> {
      ++visits;
      return true;
    };
    Status walked = reader ? (*reader)->walk({}, visit) : Status(fail(reader.error()));
    if (walked) continue;
    EXPECT_EQ(walked.error().code(), Code::kShutdown);
    EXPECT_EQ(looked, looks + 1);
    EXPECT_LT(visits, 20U);
  }
}

TEST(LogReader, one_store_without_parity_works) {
  LogRig rig({.data = 1, .parity = 0});
  ASSERT_TRUE(rig.begin(5));
  rig.crash_writer();
  rig.expect_log_is_model();
}

TEST(LogReader, every_epoch_continues_the_log) {
  LogRig rig;
  ASSERT_TRUE(rig.create());
  for (Epoch epoch = 1; epoch <= 6; ++epoch) {
    ASSERT_TRUE(rig.open_writer());
    EXPECT_EQ(rig.writer().epoch(), epoch);
    const auto more = epoch == 3 ? 0U : 4U;  // one epoch writes nothing
    rig.append(more);
    ASSERT_TRUE(rig.wait_committed(rig.model().size()));
    if (epoch % 2 == 0) {
      rig.crash_writer();
    } else {
      rig.close_writer();
    }
    rig.expect_log_is_model();
  }
}

TEST(LogReader, follows_a_writer_that_goes_on) {
  LogRig rig;
  ASSERT_TRUE(rig.begin(3));
  auto reader = rig.read();
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->head().number, 3U);
  rig.append(30);
  ASSERT_TRUE(rig.wait_committed(33));
  ASSERT_TRUE((*reader)->refresh_head());
  EXPECT_EQ((*reader)->head().number, 33U);
  EXPECT_EQ((*reader)->head().hash, rig.model().back().reference.hash);
}

TEST(LogReader, a_walk_has_the_limits_it_was_given) {
  LogRig rig;
  ASSERT_TRUE(rig.begin(20));
  auto reader = rig.read();
  ASSERT_TRUE(reader);
  std::vector<AggregationNumber> seen;
  auto note = [&seen](Visited& found) -> Result<bool> {
    seen.push_back(found.opened.aggregation.header.number);
    return seen.size() < 4;
  };
  ASSERT_TRUE((*reader)->walk({.first = 7, .last = 9, .read_ahead = 2}, note));
  EXPECT_EQ(seen, (std::vector<AggregationNumber>{7, 8, 9}));
  seen.clear();
  ASSERT_TRUE((*reader)->walk({.first = 15}, note)) << "stopping early is not an error";
  EXPECT_EQ(seen, (std::vector<AggregationNumber>{15, 16, 17, 18}));
  seen.clear();
  ASSERT_TRUE((*reader)->walk({.first = 21}, note));
  EXPECT_TRUE(seen.empty());
  Status failed =
      (*reader)->walk({}, [](Visited&) -> Result<bool> { return fail(Code::kNoSpace, "target"); });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Code::kNoSpace) << "the visitor's error is the walk's";
}

// The chain alone, with what no writer of ours makes: each of these must be refused.
TEST(Chain, refuses_what_does_not_follow) {
  format::Metadata metadata;
  metadata.epochs = {{.epoch = 1, .first_number = 1, .first_sequence = 1, .writer = {}},
                     {.epoch = 2, .first_number = 3, .first_sequence = 11, .writer = {}}};
  auto link = [](AggregationNumber number, Epoch epoch, Sequence first, std::uint8_t prev) {
    seal::Opened opened;
    opened.aggregation.header = {.vdisk = {},
                                 .number = number,
                                 .epoch = epoch,
                                 .first_sequence = first,
                                 .last_sequence = first + 4,
                                 .timestamp = 0,
                                 .prev = {}};
    opened.aggregation.header.prev.bytes[0] = prev;
    opened.hash.bytes[0] = static_cast<std::uint8_t>(number);
    opened.aggregation.records.push_back(
        {.sequence = first, .timestamp = number, .hash = {}, .data = {}});
    return opened;
  };
  Chain good(metadata);
  ASSERT_TRUE(good.append(link(1, 1, 1, 0)));
  ASSERT_TRUE(good.append(link(2, 1, 6, 1)));
  ASSERT_TRUE(Chain(good).append(link(3, 2, 11, 2)));

  struct Bad {
    const char* what;
    seal::Opened opened;
  };
  std::vector<Bad> bad;
  bad.push_back({"another prev", link(3, 2, 11, 7)});
  bad.push_back({"a gap of sequences", link(3, 1, 12, 2)});
  bad.push_back({"a gap of numbers", link(4, 2, 11, 2)});
  bad.push_back({"an older epoch", link(3, 0, 11, 2)});
  bad.push_back({"a time that goes back", link(3, 2, 11, 2)});
  bad.back().opened.aggregation.records[0].timestamp = 1;
  for (const Bad& each : bad) {
    Chain chain(good);
    Status status = chain.append(each.opened);
    ASSERT_FALSE(status) << each.what;
    EXPECT_EQ(status.error().code(), Code::kCorruption) << each.what;
    EXPECT_EQ(chain.last()->number, 2U) << each.what;
  }
  EXPECT_FALSE(Chain(metadata).append(link(1, 1, 2, 0))) << "the log begins with sequence 1";
  EXPECT_FALSE(Chain(metadata).append(link(1, 1, 1, 5))) << "the log begins with nothing before it";
  EXPECT_FALSE(Chain(metadata).append(link(3, 2, 12, 2))) << "the epoch begins elsewhere";
  EXPECT_EQ(epoch_of(metadata, 2), 1U);
  EXPECT_EQ(epoch_of(metadata, 3), 2U);
}

}  // namespace
}  // namespace tlog::walk
