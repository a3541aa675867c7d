// Goal: a scrub finds every shard that a store lacks or holds wrongly, and nothing else; a repair
// brings all of them back.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/log_rig.h"
#include "tests/support/temp_directory.h"
#include "tlog/flush/hints_file.h"

namespace tlog::flush {
namespace {

using testing::FaultStore;
using testing::LogRig;

constexpr AggregationNumber kCount = 40;

class ScrubTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const Status begun = rig.begin(kCount);
    ASSERT_TRUE(begun) << begun.error().message();
    ASSERT_TRUE(rig.wait_until([&] {
      const LogWriterStatus status = rig.writer().status();
      return status.missing_shards == 0 && status.buffered_bytes == 0;
    }));
  }
  ScrubStatus scrub(ScrubOptions options) {
    Status begun = rig.writer().scrub(options);
    EXPECT_TRUE(begun) << begun.error().message();
    EXPECT_TRUE(rig.wait_until([&] { return !rig.writer().status().scrub.running; }));
    return rig.writer().status().scrub;
  }
  void expect_clean() {
    const ScrubStatus status = scrub({.deep = true});
    EXPECT_EQ(status.checked, kCount * 6);
    EXPECT_EQ(status.missing + status.wrong + status.unreachable, 0u) << status.first_finding;
    EXPECT_EQ(status.done, kCount);
  }
  bool nothing_missing() {
    return rig.wait_until([&] { return rig.writer().status().missing_shards == 0; });
  }
  static bool flip(Buffer& shard) {
    shard.data()[shard.size() / 2] ^= std::byte{1};
    return true;
  }

  LogRig rig;
};

TEST_F(ScrubTest, a_sound_log_is_clean) {
  expect_clean();
  const ScrubStatus light = scrub({});
  EXPECT_EQ(light.checked, kCount * 6);
  EXPECT_EQ(light.missing + light.wrong + light.unreachable, 0u) << light.first_finding;
  EXPECT_EQ(rig.writer().status().scrub.runs, 2u);
}

TEST_F(ScrubTest, missing_and_wrong_are_found_and_repaired) {
  rig.tamper(3, 0, [](Buffer&) { return false; });
  rig.tamper(7, 5, [](Buffer&) { return false; });
  rig.tamper(9, 2, flip);
  rig.tamper(11, 1, [](Buffer& shard) {
    shard.reset_size(shard.size() - 1);
    return true;
  });
  // The shard of another index of the same aggregation.
  Buffer other;
  rig.tamper(20, 4, [&](Buffer& shard) {
    other = Buffer::copy_of(shard.span());
    return true;
  });
  rig.tamper(20, 3, [&](Buffer& shard) {
    shard = Buffer::copy_of(other.span());
    return true;
  });
  const ScrubStatus light = scrub({});
  EXPECT_EQ(light.missing, 2u) << light.first_finding;
  EXPECT_EQ(light.wrong, 1u) << "only a length shows without reading";
  const ScrubStatus deep = scrub({.deep = true});
  EXPECT_EQ(deep.missing, 2u);
  EXPECT_EQ(deep.wrong, 3u);
  EXPECT_EQ(rig.writer().status().missing_shards, 0u) << "nobody asked for a repair";
  const ScrubStatus repair = scrub({.deep = true, .repair = true});
  EXPECT_EQ(repair.missing + repair.wrong, 5u);
  ASSERT_TRUE(nothing_missing());
  expect_clean();
  rig.close_writer();
  rig.expect_log_is_model();
}

TEST_F(ScrubTest, a_wiped_store_is_rebuilt_on_line) {
  rig.wipe(4);
  const ScrubStatus found = scrub({.repair = true});
  EXPECT_EQ(found.missing, kCount);
  rig.append(5);  // writes go on meanwhile
  ASSERT_TRUE(rig.wait_committed(kCount + 5));
  ASSERT_TRUE(nothing_missing());
  const ScrubStatus deep = scrub({.deep = true});
  EXPECT_EQ(deep.missing + deep.wrong + deep.unreachable, 0u) << deep.first_finding;
  rig.close_writer();
  rig.expect_log_is_model();
}

TEST_F(ScrubTest, a_store_that_does_not_answer_is_counted_and_not_waited_for) {
  rig.fault(1).set(FaultStore::Mode::kDown);
  const ScrubStatus status = scrub({});
  EXPECT_EQ(status.unreachable, kCount);
  EXPECT_EQ(status.missing + status.wrong, 0u);
  rig.fault(1).set(FaultStore::Mode::kUp);
  expect_clean();
}

TEST_F(ScrubTest, one_at_a_time) {
  rig.fault(2).set(FaultStore::Mode::kHang);
  ASSERT_TRUE(rig.writer().scrub({.deep = true}));
  Status second = rig.writer().scrub({});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::kUnavailable);
  rig.fault(2).set(FaultStore::Mode::kUp);
  ASSERT_TRUE(rig.wait_until([&] { return !rig.writer().status().scrub.running; }));
  expect_clean();
}

TEST_F(ScrubTest, a_writer_that_closes_does_not_wait_for_it) {
  rig.fault(2).set(FaultStore::Mode::kHang);
  ASSERT_TRUE(rig.writer().scrub({.deep = true}));
  rig.close_writer();
  rig.fault(2).set(FaultStore::Mode::kUp);
  rig.expect_log_is_model();
}

// What is wrong looks as if it were there: the next writer must not take it for mended.
TEST(ScrubCrash, a_wrong_shard_is_mended_after_a_crash_without_a_scrub) {
  const testing::TempDirectory directory;
  const std::string hints = directory.file("hints");
  LogRig rig({.hints_path = hints});
  ASSERT_TRUE(rig.create());
  ASSERT_TRUE(rig.open_writer());
  rig.append(10);
  ASSERT_TRUE(rig.wait_committed(10));
  ASSERT_TRUE(rig.wait_until([&] { return rig.writer().status().buffered_bytes == 0; }));
  constexpr AggregationNumber kNumber = 3;
  constexpr unsigned kIndex = 2;
  const std::size_t store = walk::store_of(kNumber, kIndex, 6);
  Buffer good;
  rig.tamper(kNumber, kIndex, [&](Buffer& shard) {
    good = Buffer::copy_of(shard.span());
    shard.data()[shard.size() / 2] ^= std::byte{1};
    return true;
  });
  rig.fault(static_cast<unsigned>(store)).set(FaultStore::Mode::kFull);
  ASSERT_TRUE(rig.writer().scrub({.deep = true, .repair = true}));
  ASSERT_TRUE(rig.wait_until([&] {
    auto file = HintsFile::open(io::system_files(), hints, rig.format().vdisk, 6);
    return file && (*file)->found() && (*file)->hints().wrong[store].contains(kNumber);
  })) << "it is not remembered";
  rig.crash_writer();
  rig.fault(static_cast<unsigned>(store)).set(FaultStore::Mode::kUp);
  ASSERT_TRUE(rig.open_writer());
  EXPECT_TRUE(rig.wait_until([&] {
    auto stored = store::get_and_wait(rig.inner(static_cast<unsigned>(store)), rig.key(kNumber));
    return stored && std::ranges::equal(stored->span(), good.span());
  })) << "it is still wrong";
  EXPECT_EQ(rig.writer().status().scrub.runs, 0U);
  ASSERT_TRUE(rig.wait_until([&] { return rig.writer().status().missing_shards == 0; }));
}

}  // namespace
}  // namespace tlog::flush
