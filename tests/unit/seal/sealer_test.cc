// Goal: what is sealed is opened by the same key alone, and nothing that was changed is.
#include "tlog/seal/sealer.h"

#include <gtest/gtest.h>

#include "tests/support/log_samples.h"
#include "tlog/seal/hash.h"

namespace tlog::seal {
namespace {

using tlog::testing::SampleAggregation;
using tlog::testing::SeededRandom;

MasterKey sample_key(std::uint64_t seed = 1) {
  SeededRandom random(seed);
  return std::move(*MasterKey::generate(random));
}
Expected expected_of(const format::Aggregation& aggregation) {
  return {.vdisk = aggregation.header.vdisk,
          .epoch = aggregation.header.epoch,
          .number = aggregation.header.number};
}
Result<Opened> open_whole(const Sealer& sealer, ConstByteSpan bytes, const Expected& expected) {
  return sealer.open(std::span(&bytes, 1), expected);
}

class SealerOf : public ::testing::TestWithParam<Cipher> {
 protected:
  MasterKey key_ = sample_key();
  SeededRandom random_{2};
  Sealer sealer_{key_, random_, GetParam()};
  SampleAggregation sample_;
  void SetUp() override { sample_.fill_mixed(); }
  Sealed seal(std::size_t tail_room = 0) {
    auto sealed = sealer_.seal(sample_.value, tail_room);
    EXPECT_TRUE(sealed) << sealed.error().message();
    return std::move(*sealed);
  }
};

TEST_P(SealerOf, round_trip) {
  Sealed sealed = seal(100);
  EXPECT_EQ(sealed.length, sealed_bytes(sample_.value));
  ASSERT_EQ(sealed.bytes.size(), sealed.length + 100);
  for (std::byte byte : sealed.bytes.span().subspan(sealed.length)) EXPECT_EQ(byte, std::byte{0});
  auto opened =
      open_whole(sealer_, sealed.bytes.span().first(sealed.length), expected_of(sample_.value));
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->hash, sealed.hash);
  ASSERT_EQ(opened->aggregation.records.size(), sample_.value.records.size());
  for (std::size_t i = 0; i < sample_.value.records.size(); ++i) {
    EXPECT_EQ(to_hex(opened->aggregation.records[i].data), to_hex(sample_.value.records[i].data));
    EXPECT_EQ(opened->aggregation.records[i].hash, hash_one(sample_.value.records[i].data));
  }
}

TEST_P(SealerOf, known_hashes_are_used_and_unknown_ones_computed) {
  const Hash256 computed = seal().hash;
  auto known = sealer_.seal(sample_.value, 0, RecordHashes::kKnown);
  ASSERT_TRUE(known) << known.error().message();
  EXPECT_EQ(known->hash, computed);
  sample_.value.records[0].hash.bytes[0] ^= 1;  // of somebody who has not verified it
  auto wrong = sealer_.seal(sample_.value, 0, RecordHashes::kKnown);
  ASSERT_TRUE(wrong) << wrong.error().message();
  EXPECT_NE(wrong->hash, computed);
  EXPECT_FALSE(open_whole(sealer_, wrong->bytes.span(), expected_of(sample_.value)));
  EXPECT_EQ(seal().hash, computed) << "computed anew";
}

TEST_P(SealerOf, pieces_may_be_cut_anywhere) {
  Sealed sealed = seal();
  ConstByteSpan bytes = sealed.bytes.span().first(sealed.length);
  for (std::size_t cut : {std::size_t{1}, std::size_t{7}, std::size_t{64}, std::size_t{79},
                          std::size_t{81}, bytes.size() - 17, bytes.size() - 1}) {
    std::vector<ConstByteSpan> pieces;
    for (std::size_t at = 0; at < bytes.size(); at += cut) {
      pieces.push_back(bytes.subspan(at, std::min(cut, bytes.size() - at)));
      pieces.push_back({});  // an empty piece changes nothing
    }
    auto opened = sealer_.open(pieces, expected_of(sample_.value));
    ASSERT_TRUE(opened) << cut << ": " << opened.error().message();
    EXPECT_EQ(opened->hash, sealed.hash);
  }
}

TEST_P(SealerOf, every_flipped_byte_and_truncation_is_an_error) {
  Sealed sealed = seal();
  const ConstByteSpan bytes = sealed.bytes.span().first(sealed.length);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Buffer bad = Buffer::copy_of(bytes);
    bad.data()[i] ^= std::byte{0x01};
    auto opened = open_whole(sealer_, bad.span(), expected_of(sample_.value));
    ASSERT_FALSE(opened) << i;
    EXPECT_EQ(opened.error().code(), Code::kCorruption) << i << ": " << opened.error().message();
    auto cut = open_whole(sealer_, bytes.first(i), expected_of(sample_.value));
    ASSERT_FALSE(cut) << i;
    EXPECT_EQ(cut.error().code(), Code::kCorruption) << i;
  }
  Buffer longer(bytes.size() + 1);
  std::memcpy(longer.data(), bytes.data(), bytes.size());
  EXPECT_FALSE(open_whole(sealer_, longer.span(), expected_of(sample_.value)));
}

TEST_P(SealerOf, another_place_in_the_log_is_an_error) {
  Sealed sealed = seal();
  for (int change = 0; change < 3; ++change) {
    Expected other = expected_of(sample_.value);
    if (change == 0) other.vdisk.bytes[0] ^= 1;
    if (change == 1) other.epoch += 1;
    if (change == 2) other.number += 1;
    auto opened = open_whole(sealer_, sealed.bytes.span(), other);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), Code::kCorruption);
  }
}

TEST_P(SealerOf, wrong_key_is_told_from_corruption) {
  Sealed sealed = seal();
  MasterKey other_key = sample_key(99);
  Sealer other(other_key, random_);
  auto opened = open_whole(other, sealed.bytes.span(), expected_of(sample_.value));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Code::kWrongKey);
  EXPECT_NE(opened.error().message().find(key_.id().hex()), std::string::npos)
      << opened.error().message();
  EXPECT_NE(opened.error().message().find(other_key.id().hex()), std::string::npos);
  // A damaged key id is damage, not another key.
  for (std::size_t i = 16; i < 32; ++i) {
    Buffer bad = Buffer::copy_of(sealed.bytes.span());
    bad.data()[i] ^= std::byte{0x80};
    auto damaged = open_whole(sealer_, bad.span(), expected_of(sample_.value));
    ASSERT_FALSE(damaged);
    EXPECT_EQ(damaged.error().code(), Code::kCorruption);
  }
}

TEST_P(SealerOf, no_nonce_twice) {
  std::vector<std::string> salts, subkeys, nonces, ciphertexts;
  auto remember = [&](const Sealed& sealed) {
    ConstByteSpan salt = sealed.bytes.span().subspan(32, 32);
    std::array<std::byte, 32> derived{};
    salts.push_back(to_hex(salt));
    key_.derive("tlogdisk-1 aggregation aes-256-gcm", salt, derived);
    subkeys.push_back(to_hex(derived));
    key_.derive("tlogdisk-1 nonce", salt, derived);
    nonces.push_back(to_hex(derived));
    ciphertexts.push_back(to_hex(sealed.bytes.span().subspan(80, sealed.length - 80)));
  };
  remember(seal());
  remember(seal());
  {
    Sealer restarted(key_, system_random(),
                     GetParam());  // a new process with the same key and the same journal
    remember(*restarted.seal(sample_.value, 0));
    remember(*restarted.seal(sample_.value, 0));
  }
  // A machine whose random bytes repeat (a snapshot resumed twice) and that then writes something
  // else.
  SeededRandom again(2);
  Sealer resumed(key_, again, GetParam());
  sample_.value.header.timestamp += 1;
  remember(*resumed.seal(sample_.value, 0));
  for (const auto* list : {&salts, &subkeys, &nonces, &ciphertexts}) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) EXPECT_NE((*list)[i], (*list)[j]) << i << " " << j;
    }
  }
}

TEST_P(SealerOf, hash_covers_every_field) {
  const Hash256 original = seal().hash;
  using Change = void (*)(format::Aggregation&);
  const Change changes[] = {
      [](format::Aggregation& a) { a.header.vdisk.bytes[5] ^= 1; },
      [](format::Aggregation& a) { a.header.number += 1; },
      [](format::Aggregation& a) { a.header.epoch += 1; },
      [](format::Aggregation& a) { a.header.timestamp += 1; },
      [](format::Aggregation& a) { a.header.prev.bytes[0] ^= 1; },
      [](format::Aggregation& a) { a.records[0].offset += 1; },
      [](format::Aggregation& a) { a.records[1].size += 1; },
      [](format::Aggregation& a) { a.records[1].operation = Operation::kZero; },
      [](format::Aggregation& a) { a.records.back().timestamp += 1; },
      [](format::Aggregation& a) {
        a.records.back().data = bytes_of(
            std::string_view("1234567890123456789012345678901234567890123456789012345678901234"));
      },
  };
  EXPECT_EQ(seal().hash, original);
  for (std::size_t i = 0; i < std::size(changes); ++i) {
    format::Aggregation changed = sample_.value;
    changes[i](changed);
    auto sealed = sealer_.seal(changed, 0);
    ASSERT_TRUE(sealed) << i << ": " << sealed.error().message();
    EXPECT_NE(sealed->hash, original) << i;
  }
  MasterKey other_key = sample_key(5);
  Sealer other(other_key, random_);
  EXPECT_NE(other.seal(sample_.value, 0)->hash, original) << "the hash is keyed";
}

TEST_P(SealerOf, impossible_aggregation_is_not_sealed) {
  sample_.value.records[2].sequence += 1;
  auto sealed = sealer_.seal(sample_.value, 0);
  ASSERT_FALSE(sealed);
  EXPECT_EQ(sealed.error().code(), Code::kInvalidArgument);
}

TEST_P(SealerOf, blob_round_trip_and_context) {
  const std::string text = "an index page";
  auto sealed = sealer_.seal_blob(bytes_of(std::string_view(text)), "page vm1 3");
  ASSERT_TRUE(sealed);
  auto opened = sealer_.open_blob(sealed->span(), "page vm1 3");
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(to_hex(opened->span()), to_hex(bytes_of(std::string_view(text))));
  auto elsewhere = sealer_.open_blob(sealed->span(), "page vm1 4");
  ASSERT_FALSE(elsewhere);
  EXPECT_EQ(elsewhere.error().code(), Code::kCorruption);
  for (std::size_t i = 0; i < sealed->size(); ++i) {
    Buffer bad = Buffer::copy_of(sealed->span());
    bad.data()[i] ^= std::byte{0x20};
    EXPECT_FALSE(sealer_.open_blob(bad.span(), "page vm1 3")) << i;
    EXPECT_FALSE(sealer_.open_blob(sealed->span().first(i), "page vm1 3")) << i;
  }
  auto empty = sealer_.seal_blob({}, "nothing");
  ASSERT_TRUE(empty);
  EXPECT_TRUE(sealer_.open_blob(empty->span(), "nothing")->empty());
}

TEST_P(SealerOf, blob_is_not_an_aggregation) {
  Sealed sealed = seal();
  EXPECT_FALSE(sealer_.open_blob(sealed.bytes.span().first(sealed.length), ""));
  auto blob = sealer_.seal_blob(tlog::testing::plaintext_of(sample_.value).span(), "");
  EXPECT_FALSE(open_whole(sealer_, blob->span(), expected_of(sample_.value)));
}

INSTANTIATE_TEST_SUITE_P(Ciphers, SealerOf,
                         ::testing::Values(Cipher::kAes256Gcm, Cipher::kXChaCha20Poly1305),
                         [](const auto& parameter) {
                           return parameter.param == Cipher::kAes256Gcm ? "Aes" : "XChaCha";
                         });

TEST(Sealer, either_cipher_opens_what_the_other_sealed) {
  MasterKey key = sample_key();
  SeededRandom random(1);
  Sealer aes(key, random, Cipher::kAes256Gcm);
  Sealer chacha(key, random, Cipher::kXChaCha20Poly1305);
  SampleAggregation sample;
  sample.fill_mixed();
  auto a = aes.seal(sample.value, 0);
  auto b = chacha.seal(sample.value, 0);
  EXPECT_EQ(a->hash, b->hash);
  EXPECT_TRUE(open_whole(chacha, a->bytes.span(), expected_of(sample.value)));
  EXPECT_TRUE(open_whole(aes, b->bytes.span(), expected_of(sample.value)));
  EXPECT_EQ(Sealer(key, random).cipher(), best_cipher());
}

}  // namespace
}  // namespace tlog::seal
