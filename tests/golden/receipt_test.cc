// Goal and method as in golden_test.cc: a failover's receipt.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/temp_directory.h"
#include "tlog/session/receipt.h"

namespace tlog::session {
namespace {

Hash256 hash_of(std::uint8_t seed) {
  Hash256 hash;
  for (std::size_t i = 0; i < hash.bytes.size(); ++i) {
    hash.bytes[i] = static_cast<std::uint8_t>(seed + 7 * i);
  }
  return hash;
}

TEST(GoldenReceipt, the_file) {
  const Receipt known{
      .vdisk = "vm1",
      .from = "primary",
      .to = "standby",
      .cause = "server \"10.0.0.1:6379\" was down for 5.0 s",
      .planned = false,
      .began = 1'700'000'000'000'000'001,
      .ended = 1'700'000'000'250'000'002,
      .pause_ns = 250'000'001,
      .epoch = 3,
      .appended = 1'206,
      .applied = 1'100,
      .log = {.epoch = 3, .sequence = 1'200, .number = 57, .hash = hash_of(1)},
      .standby = {.epoch = 2, .sequence = 1'190, .number = 56, .hash = hash_of(200)},
      .lost = {{.first_sequence = 1'191,
                .last_sequence = 1'200,
                .first_timestamp = 1'699'999'999'000'000'003,
                .last_timestamp = 1'699'999'999'500'000'004,
                .bytes = {{0, 4'096}, {1'048'576, 65'536}},
                .bytes_known = true},
               {.first_sequence = 1'201,
                .last_sequence = 1'206,
                .first_timestamp = 0,
                .last_timestamp = 0,
                .bytes = {},
                .bytes_known = false}},
      .path = "/var/lib/tlogdisk/journal/vm1/receipt"};
  const std::string path = std::string(TLOG_GOLDEN_DIRECTORY) + "/receipt";
  const std::string made = receipt_json(known);
  if (std::getenv("TLOG_GOLDEN_WRITE") != nullptr) testing::write_text(path, made);
  const std::string kept = testing::read_text(path);
  EXPECT_EQ(made, kept) << "the format has changed";

  auto read = parse_receipt(kept);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(receipt_json(*read), kept);
  EXPECT_EQ(read->vdisk, known.vdisk);
  EXPECT_EQ(read->from, known.from);
  EXPECT_EQ(read->to, known.to);
  EXPECT_EQ(read->cause, known.cause);
  EXPECT_FALSE(read->planned);
  EXPECT_EQ(read->began, known.began);
  EXPECT_EQ(read->ended, known.ended);
  EXPECT_EQ(read->pause_ns, known.pause_ns);
  EXPECT_EQ(read->epoch, known.epoch);
  EXPECT_EQ(read->appended, known.appended);
  EXPECT_EQ(read->applied, known.applied);
  EXPECT_EQ(read->log, known.log);
  EXPECT_EQ(read->standby, known.standby);
  ASSERT_EQ(read->lost.size(), 2U);
  EXPECT_EQ(read->lost[0].bytes, known.lost[0].bytes);
  EXPECT_EQ(read->lost[0].last_timestamp, known.lost[0].last_timestamp);
  EXPECT_EQ(read->lost[1].first_sequence, 1'201U);
  EXPECT_FALSE(read->lost[1].bytes_known);
  EXPECT_EQ(read->path, known.path);
}

}  // namespace
}  // namespace tlog::session
