// Goal: any k of k+m shards give the sealed bytes back, and a shard that is not what it says is
// never used.
#include "tlog/shard/shard.h"

#include <gtest/gtest.h>

#include <bit>

#include "tests/support/log_samples.h"
#include "tlog/base/crc32c.h"

namespace tlog::shard {
namespace {

Identity sample_identity(AggregationNumber number = 9) {
  Identity identity{.vdisk = testing::SampleAggregation::sample_uuid(),
                    .epoch = 4,
                    .number = number,
                    .aggregation_hash = {}};
  identity.aggregation_hash.bytes.fill(static_cast<std::uint8_t>(0xa0 + number));
  return identity;
}

Buffer sample_bytes(std::size_t length, std::uint64_t seed = 1) {
  Buffer bytes(length);
  testing::SeededRandom random(seed);
  random.fill(bytes.span());
  return bytes;
}

Buffer stored(const ShardSet& set, unsigned index) {
  Buffer bytes(set.shard_bytes());
  std::size_t at = 0;
  for (ConstByteSpan piece : set.pieces(index)) {
    std::memcpy(bytes.data() + at, piece.data(), piece.size());
    at += piece.size();
  }
  EXPECT_EQ(at, bytes.size());
  return bytes;
}

std::vector<Buffer> store_all(const ShardSet& set) {
  std::vector<Buffer> all;
  for (unsigned i = 0; i < set.geometry().total(); ++i) all.push_back(stored(set, i));
  return all;
}

std::string join(const Decoded& decoded) {
  std::string text;
  for (ConstByteSpan piece : decoded.pieces)
    text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  return text;
}
std::string text_of(ConstByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(Shard, any_k_of_all_decode) {
  for (Geometry geometry :
       {Geometry{1, 0}, Geometry{2, 1}, Geometry{4, 2}, Geometry{8, 3}, Geometry{16, 4}}) {
    const std::size_t length = 1000 + geometry.data;
    Buffer sealed = sample_bytes(length, geometry.data);
    const std::string expected = text_of(sealed.span());
    ShardSet set(geometry, sample_identity(), std::move(sealed), length);
    std::vector<Buffer> all = store_all(set);
    std::vector<ShardView> views;
    for (const Buffer& bytes : all) {
      auto view = parse(bytes.span());
      ASSERT_TRUE(view) << view.error().message();
      EXPECT_EQ(view->identity, set.identity());
      EXPECT_EQ(view->geometry, geometry);
      views.push_back(*view);
    }
    for (std::uint32_t subset = 0; subset < (1u << geometry.total()); ++subset) {
      if (std::popcount(subset) != static_cast<int>(geometry.data)) continue;
      std::vector<ShardView> some;
      for (unsigned i = geometry.total(); i-- > 0;) {  // the order does not matter
        if ((subset >> i) & 1) some.push_back(views[i]);
      }
      auto decoded = decode(some);
      ASSERT_TRUE(decoded) << decoded.error().message();
      ASSERT_EQ(join(*decoded), expected)
          << geometry.data << "+" << geometry.parity << " subset " << subset;
      ASSERT_EQ(decoded->pieces.size(), geometry.data);
    }
  }
}

TEST(Shard, every_length_round_trips) {
  for (std::size_t length = 1; length < 600; ++length) {
    Buffer sealed = sample_bytes(length);
    const std::string expected = text_of(sealed.span());
    ShardSet set({4, 2}, sample_identity(), std::move(sealed), length);
    std::vector<Buffer> all = store_all(set);
    std::vector<ShardView> views;
    for (unsigned i : {0u, 2u, 4u, 5u}) views.push_back(*parse(all[i].span()));
    auto decoded = decode(views);
    ASSERT_TRUE(decoded);
    ASSERT_EQ(join(*decoded), expected) << length;
  }
}

TEST(Shard, data_pieces_are_slices_of_the_sealed_buffer) {
  const Geometry geometry{4, 2};
  Buffer sealed(1000 + tail_room(geometry, 1000));
  std::memset(sealed.data(), 1, sealed.size());
  const std::byte* at = sealed.data();
  ShardSet set(geometry, sample_identity(), std::move(sealed), 1000);
  for (unsigned i = 0; i < 4; ++i)
    EXPECT_EQ(set.pieces(i)[1].data(), at + i * piece_length(geometry, 1000));
  // What was in the room behind the sealed bytes (garbage here) is in no shard.
  EXPECT_EQ(set.pieces(3)[1].back(), std::byte{0});
  // All data shards: decoding copies nothing.
  std::vector<Buffer> all = store_all(set);
  std::vector<ShardView> views;
  for (unsigned i = 0; i < 4; ++i) views.push_back(*parse(all[i].span()));
  auto decoded = decode(views);
  ASSERT_TRUE(decoded);
  EXPECT_TRUE(decoded->rebuilt.empty());
  EXPECT_EQ(decoded->pieces[0].data(), all[0].data() + kShardHeaderBytes);
}

TEST(Shard, geometry_limits) {
  EXPECT_TRUE(check({1, 0}));
  EXPECT_TRUE(check({16, 4}));
  for (Geometry geometry : {Geometry{0, 2}, Geometry{17, 2}, Geometry{4, 5}}) {
    auto checked = check(geometry);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code(), Code::kInvalidArgument);
  }
}

void fix_checksum(Buffer& shard) {
  const std::uint32_t crc = crc32c(shard.span().first(shard.size() - 4));
  std::memcpy(shard.data() + shard.size() - 4, &crc, 4);
}

TEST(Shard, corrupt_shard_is_not_used) {
  ShardSet set({4, 2}, sample_identity(), sample_bytes(1000), 1000);
  const Buffer good = stored(set, 1);
  for (std::size_t i = 0; i < good.size(); ++i) {  // one flipped bit anywhere
    for (unsigned bit : {0u, 7u}) {
      Buffer bad = Buffer::copy_of(good.span());
      bad.data()[i] ^= std::byte{1} << bit;
      auto parsed = parse(bad.span());
      ASSERT_FALSE(parsed) << i;
      EXPECT_EQ(parsed.error().code(), Code::kCorruption);
    }
    EXPECT_FALSE(parse(good.span().first(i))) << i;  // truncated anywhere
  }
  Buffer longer(good.size() + 1);
  std::memcpy(longer.data(), good.data(), good.size());
  EXPECT_FALSE(parse(longer.span()));

  // Swapped with another index: the shard says itself which it is, so where it lay does not matter;
  // the same one twice is one shard.
  std::vector<Buffer> all = store_all(set);
  std::vector<ShardView> swapped;
  for (unsigned i : {1u, 0u, 5u, 3u}) swapped.push_back(*parse(all[i].span()));
  auto decoded = decode(swapped);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(join(*decoded), text_of(sample_bytes(1000).span()));
  swapped[1] = swapped[0];
  auto too_few = decode(swapped);
  ASSERT_FALSE(too_few);
  EXPECT_EQ(too_few.error().code(), Code::kUnavailable) << too_few.error().message();

  // An older shard replayed under this key: it disagrees, and the message names both.
  ShardSet older({4, 2}, sample_identity(8), sample_bytes(1000, 2), 1000);
  const Buffer old = stored(older, 2);
  std::vector<ShardView> mixed{*parse(all[0].span()), *parse(all[1].span()), *parse(old.span()),
                               *parse(all[3].span())};
  auto refused = decode(mixed);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kCorruption);
  EXPECT_NE(refused.error().message().find("aggregation 8"), std::string::npos)
      << refused.error().message();
  EXPECT_NE(refused.error().message().find("aggregation 9"), std::string::npos);
}

TEST(Shard, lies_with_a_right_checksum_are_refused) {
  ShardSet set({4, 2}, sample_identity(), sample_bytes(1000), 1000);
  const Buffer good = stored(set, 0);
  struct Lie {
    std::size_t at;
    std::uint8_t value;
    Code code;
  };
  for (Lie lie :
       {Lie{8, 0, Code::kCorruption}, Lie{8, 2, Code::kNotSupported}, Lie{10, 0, Code::kCorruption},
        Lie{10, 17, Code::kCorruption}, Lie{10, 3, Code::kCorruption},
        Lie{11, 5, Code::kCorruption}, Lie{12, 6, Code::kCorruption}, Lie{13, 1, Code::kCorruption},
        Lie{48, 1, Code::kCorruption}, Lie{57, 0xff, Code::kCorruption},
        Lie{63, 0x80, Code::kCorruption}, Lie{127, 1, Code::kCorruption}}) {
    Buffer bad = Buffer::copy_of(good.span());
    bad.data()[lie.at] = std::byte{lie.value};
    fix_checksum(bad);
    auto parsed = parse(bad.span());
    ASSERT_FALSE(parsed) << lie.at;
    EXPECT_EQ(parsed.error().code(), lie.code) << lie.at << ": " << parsed.error().message();
  }
}

TEST(Shard, decode_of_nothing_is_an_error) {
  EXPECT_FALSE(decode({}));
}

}  // namespace
}  // namespace tlog::shard
