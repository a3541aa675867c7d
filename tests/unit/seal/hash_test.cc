// Goal: every implementation of the hash gives BLAKE2b-256, whatever the mix of lengths.
#include "tlog/seal/hash.h"

#include <gtest/gtest.h>

#include "tests/support/log_samples.h"

namespace tlog::seal {
namespace {

constexpr std::size_t kLengthMax = 600;
constexpr HashLanes kAllLanes[] = {HashLanes::kBest, HashLanes::kPortable, HashLanes::kAvx2,
                                   HashLanes::kAvx512};

// From an independent implementation (Python's hashlib.blake2b(m, digest_size=32)).
TEST(Hash, known_answers) {
  EXPECT_EQ(hash_one({}).hex(), "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  EXPECT_EQ(hash_one(bytes_of(std::string_view("abc"))).hex(),
            "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

TEST(Hash, every_length_in_every_lane) {
  Buffer data(kLengthMax + 8);
  testing::SeededRandom(1).fill(data.span());
  for (HashLanes lanes : kAllLanes) {
    if (!hash_lanes_available(lanes)) continue;
    std::vector<ConstByteSpan> messages;
    // Lengths that rise, unaligned starts: every lane sees every remainder next to other ones.
    for (std::size_t length = 0; length <= kLengthMax; ++length)
      messages.push_back(data.span().subspan(length % 8, length));
    std::vector<Hash256> hashes(messages.size());
    hash_many(messages, hashes, lanes);
    for (std::size_t i = 0; i < messages.size(); ++i)
      ASSERT_EQ(hashes[i], hash_one(messages[i])) << i;
  }
}

TEST(Hash, every_batch_size) {
  Buffer data(4096);
  testing::SeededRandom(2).fill(data.span());
  for (HashLanes lanes : kAllLanes) {
    if (!hash_lanes_available(lanes)) continue;
    for (std::size_t count = 0; count <= 20; ++count) {
      std::vector<ConstByteSpan> messages;
      for (std::size_t i = 0; i < count; ++i) messages.push_back(data.span().subspan(i * 8, 1024));
      std::vector<Hash256> hashes(count);
      hash_many(messages, hashes, lanes);
      for (std::size_t i = 0; i < count; ++i)
        ASSERT_EQ(hashes[i], hash_one(messages[i])) << count << " " << i;
    }
  }
}

}  // namespace
}  // namespace tlog::seal
