// A receipt survives the way through its file whatever is in it; what is no receipt, or has lost a
// part of one, is never taken for one.
#include "tlog/session/receipt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace tlog::session {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

SyncPosition some_position() {
  SyncPosition position;
  position.epoch = *rc::gen::arbitrary<std::uint64_t>();
  position.sequence = *rc::gen::arbitrary<std::uint64_t>();
  position.number = *rc::gen::arbitrary<std::uint64_t>();
  position.hash.bytes = *rc::gen::arbitrary<std::array<std::uint8_t, 32>>();
  return position;
}

std::string some_text() {
  return *rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127));
}

LostRange loss(Sequence first, Sequence last,
               std::vector<std::pair<std::uint64_t, std::uint64_t>> bytes = {}) {
  LostRange lost;
  lost.first_sequence = first;
  lost.last_sequence = last;
  lost.bytes = std::move(bytes);
  return lost;
}

LostRange some_loss() {
  const auto first = *rc::gen::inRange<std::uint64_t>(1, 1'000);
  LostRange lost = loss(first, first + *rc::gen::inRange<std::uint64_t>(0, 1'000));
  lost.first_timestamp = *rc::gen::arbitrary<std::uint64_t>();
  lost.last_timestamp = *rc::gen::arbitrary<std::uint64_t>();
  lost.bytes_known = *rc::gen::arbitrary<bool>();
  const auto ranges = *rc::gen::inRange<std::uint64_t>(0, 5);
  for (std::uint64_t i = 0; i < ranges; ++i) {
    lost.bytes.emplace_back(*rc::gen::inRange<std::uint64_t>(0, ~std::uint64_t{0} / 2),
                            *rc::gen::inRange<std::uint64_t>(1, ~std::uint64_t{0} / 2));
  }
  return lost;
}

Receipt some_receipt() {
  Receipt receipt;
  for (std::string* text :
       {&receipt.vdisk, &receipt.from, &receipt.to, &receipt.cause, &receipt.path}) {
    *text = some_text();
  }
  for (std::uint64_t* number : {&receipt.began, &receipt.ended, &receipt.pause_ns, &receipt.epoch,
                                &receipt.appended, &receipt.applied}) {
    *number = *rc::gen::arbitrary<std::uint64_t>();
  }
  receipt.planned = *rc::gen::arbitrary<bool>();
  receipt.log = some_position();
  receipt.standby = some_position();
  const auto losses = *rc::gen::inRange(0, 4);
  for (int i = 0; i < losses; ++i) receipt.lost.push_back(some_loss());
  return receipt;
}

Receipt of_vm1() {
  Receipt receipt;
  receipt.vdisk = "vm1";
  return receipt;
}

void require_equal(const Receipt& a, const Receipt& b) {
  RC_ASSERT(a.vdisk == b.vdisk);
  RC_ASSERT(a.from == b.from);
  RC_ASSERT(a.to == b.to);
  RC_ASSERT(a.cause == b.cause);
  RC_ASSERT(a.planned == b.planned);
  RC_ASSERT(a.began == b.began);
  RC_ASSERT(a.ended == b.ended);
  RC_ASSERT(a.pause_ns == b.pause_ns);
  RC_ASSERT(a.epoch == b.epoch);
  RC_ASSERT(a.appended == b.appended);
  RC_ASSERT(a.applied == b.applied);
  RC_ASSERT(a.log == b.log);
  RC_ASSERT(a.standby == b.standby);
  RC_ASSERT(a.path == b.path);
  RC_ASSERT(a.lost.size() == b.lost.size());
  for (std::size_t i = 0; i < a.lost.size(); ++i) {
    RC_ASSERT(a.lost[i].first_sequence == b.lost[i].first_sequence);
    RC_ASSERT(a.lost[i].last_sequence == b.lost[i].last_sequence);
    RC_ASSERT(a.lost[i].first_timestamp == b.lost[i].first_timestamp);
    RC_ASSERT(a.lost[i].last_timestamp == b.lost[i].last_timestamp);
    RC_ASSERT(a.lost[i].bytes == b.lost[i].bytes);
    RC_ASSERT(a.lost[i].bytes_known == b.lost[i].bytes_known);
  }
}

TEST(Receipt, survives_the_way) {
  EXPECT_TRUE(rc::check("every receipt", [] {
    const Receipt receipt = some_receipt();
    for (const std::string& text : {receipt_json(receipt), receipt_summary_json(receipt)}) {
      const auto read = parse_receipt(text);
      RC_ASSERT(read.has_value());
      require_equal(*read, receipt);
    }
  }));
}

TEST(Receipt, says_what_is_lost_in_words_and_in_numbers) {
  Receipt receipt = of_vm1();
  EXPECT_THAT(receipt_json(receipt), HasSubstr("0 acknowledged writes lost"));
  receipt.lost = {loss(5, 7, {{4096, 512}})};
  const std::string text = receipt_json(receipt);
  EXPECT_THAT(text, HasSubstr("3 acknowledged records lost (sequences 5 to 7)"));
  EXPECT_THAT(text, HasSubstr("\"firstSequence\": 5"));
  EXPECT_THAT(text, HasSubstr("4096"));
}

TEST(Receipt, a_summary_is_short_and_says_what_it_leaves_out) {
  Receipt receipt = of_vm1();
  LostRange lost = loss(1, 1'000'000);
  for (std::uint64_t i = 0; i < 10'000; ++i) lost.bytes.emplace_back(i * 8192, 4096);
  receipt.lost = {lost, lost};
  const std::string summary = receipt_summary_json(receipt);
  EXPECT_LT(summary.size(), 16 * kKiB);
  EXPECT_THAT(summary, HasSubstr("\"moreRanges\": 9900"));
  EXPECT_THAT(summary, HasSubstr("\"moreRanges\": 10000"));
  auto read = parse_receipt(summary);
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_EQ(read->lost.size(), 2U);
  EXPECT_EQ(read->lost[0].bytes.size(), kReceiptSummaryRanges);
  EXPECT_EQ(read->lost[1].last_sequence, 1'000'000U);

  const std::string whole = receipt_json(receipt);
  EXPECT_THAT(whole, Not(HasSubstr("moreRanges")));
  read = parse_receipt(whole);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->lost[1].bytes, lost.bytes);
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return at == std::string::npos ? text : text.replace(at, what.size(), with);
}

TEST(Receipt, of_a_newer_version_is_not_guessed_at) {
  const std::string text =
      replaced(receipt_json({}), "\"tlogdiskReceipt\": 1", "\"tlogdiskReceipt\": 2");
  auto read = parse_receipt(text);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), Code::kNotSupported);
  EXPECT_THAT(read.error().message(), HasSubstr("version 2"));
}

TEST(Receipt, what_is_none_is_refused_by_name) {
  Receipt receipt = of_vm1();
  receipt.lost = {loss(5, 7, {{4096, 512}})};
  const std::string good = receipt_json(receipt);
  const std::string zeros(64, '0');
  const std::pair<std::string, std::string> kWrong[] = {
      {"", "no JSON object"},
      {"[]", "no JSON object"},
      {"{}", "\"tlogdiskReceipt\" is missing"},
      {replaced(good, "Receipt\": 1", "Receipt\": 0"), "version 0"},
      {replaced(good, "Receipt\": 1", "Receipt\": \"1\""), "is no unsigned number"},
      {replaced(good, "\"vdisk\"", "\"other\""), "\"vdisk\" is missing"},
      {replaced(good, "\"planned\": false", "\"planned\": 0"), "\"planned\" is neither true nor"},
      {replaced(good, "\"epoch\": 0", "\"epoch\": -1"), "\"epoch\" is no unsigned number"},
      {replaced(good, "\"log\": {", "\"logs\": {"), "\"log\" is missing"},
      {replaced(good, "\"standby\": {", "\"standby\": 3, \"x\": {"), "\"standby\" is no object"},
      {replaced(good, zeros, zeros.substr(1)), "\"log.hash\" is no hash"},
      {replaced(good, zeros, "X" + zeros.substr(1)), "\"log.hash\" is no hash"},
      {replaced(good, "\"lost\": [", "\"lost\": 1, \"x\": ["), "\"lost\" is no list"},
      {replaced(good, "\"lost\": [", "\"lost\": [7, "), "is no object"},
      {replaced(good, "\"lastSequence\": 7", "\"lastSequence\": 4"), "from sequence 5 to 4"},
      {replaced(good, "512", "18446744073709551615"), "has no end"},
      {replaced(good, "512", "\"512\""), "no [offset, length]"},
      {replaced(good, "512", "512, 3"), "no [offset, length]"},
      {std::string(kReceiptBytesMax + 1, ' '), "none has more than"},
  };
  for (const auto& [text, reason] : kWrong) {
    const auto read = parse_receipt(text);
    ASSERT_FALSE(read) << reason;
    EXPECT_EQ(read.error().code(), Code::kCorruption) << reason;
    EXPECT_THAT(read.error().message(), HasSubstr(reason));
  }
  // A file of which the end was not written.
  for (std::size_t length = 0; length + 2 < good.size(); ++length) {
    EXPECT_FALSE(parse_receipt(std::string_view(good).substr(0, length))) << length;
  }
}

TEST(Receipt, one_byte_changed_harms_nobody) {
  const std::string good = receipt_json(of_vm1());
  EXPECT_TRUE(rc::check("one byte", [&good] {
    std::string text = good;
    text[*rc::gen::inRange<std::size_t>(0, text.size())] = *rc::gen::arbitrary<char>();
    (void)parse_receipt(text);
  }));
}

}  // namespace
}  // namespace tlog::session
