// Which stripe has which record: a format. What changes here does not read the logs that are there.
#include "tlog/format/stripes.h"

#include <gtest/gtest.h>

namespace tlog::format {
namespace {

const Uuid kVdisk = *Uuid::parse("11111111-2222-3333-4444-555555555555");

TEST(Stripes, are_dealt_to_in_turn) {
  const StripeMap map(3, 2);
  const unsigned stripes[] = {0, 0, 1, 1, 2, 2, 0, 0, 1};
  const Sequence locals[] = {1, 2, 1, 2, 1, 2, 3, 4, 3};
  for (Sequence sequence = 1; sequence <= 9; ++sequence) {
    EXPECT_EQ(map.stripe_of(sequence), stripes[sequence - 1]) << sequence;
    EXPECT_EQ(map.local_of(sequence), locals[sequence - 1]) << sequence;
  }
  EXPECT_EQ(map.end_of_unit(1), 2U);
  EXPECT_EQ(map.end_of_unit(2), 2U);
  EXPECT_EQ(map.end_of_unit(3), 4U);
}

TEST(Stripes, are_whole_up_to_the_first_that_one_of_them_lacks) {
  const StripeMap map(2, 64);
  const Sequence nothing[] = {0, 0};
  EXPECT_EQ(map.prefix_of(nothing), 0U);
  const Sequence first_only[] = {1000, 0};
  EXPECT_EQ(map.prefix_of(first_only), 64U);
  const Sequence second_only[] = {0, 1000};
  EXPECT_EQ(map.prefix_of(second_only), 0U);
  const Sequence uneven[] = {65, 64};
  EXPECT_EQ(map.prefix_of(uneven), 129U);
}

// A server may say anything: it must not become a small sequence.
TEST(Stripes, a_sequence_that_is_none_is_the_greatest) {
  const StripeMap map(2, 64);
  const Sequence greatest = ~Sequence{0};
  EXPECT_EQ(map.global_of(1, greatest), greatest);
  EXPECT_EQ(map.global_of(1, greatest / 2 + 100), greatest);
  const Sequence lying[] = {greatest, 3};
  EXPECT_EQ(map.prefix_of(lying), 67U);
}

TEST(Stripes, a_stripe_is_known_by_its_uuid) {
  const Uuid one = stripe_uuid(kVdisk, {.index = 1, .count = 3});
  EXPECT_EQ(one.text(), "11111111-2222-3333-4444-737401034000");
  EXPECT_EQ(stripe_of(one), (StripeId{.index = 1, .count = 3, .unit = 64}));
  EXPECT_EQ(stripe_of(kVdisk), std::nullopt);
  EXPECT_NE(one, stripe_uuid(kVdisk, {.index = 1, .count = 2}));
  EXPECT_NE(one, stripe_uuid(kVdisk, {.index = 1, .count = 3, .unit = 32}));
  EXPECT_EQ(without_stripe(one), without_stripe(kVdisk));
  EXPECT_EQ(stripe_name("vm1", 1), "vm1.stripe1");
  EXPECT_EQ(describe(StripeId{.index = 1, .count = 3}), "stripe 1 of 3");
  EXPECT_EQ(stripe_name("", kStripesMax - 1).size(), kStripeSuffixMax);
}

TEST(Stripes, what_cannot_be_a_stripe_is_none) {
  const Uuid good = stripe_uuid(kVdisk, {.index = 1, .count = 3});
  const std::pair<std::size_t, std::uint8_t> changes[] = {{10, 'x'}, {11, 'x'}, {12, 3},
                                                          {13, 1},   {13, 17},  {14, 0}};
  for (const auto& [at, value] : changes) {
    Uuid changed = good;
    changed.bytes[at] = value;
    EXPECT_EQ(stripe_of(changed), std::nullopt) << at;
  }
}

}  // namespace
}  // namespace tlog::format
