// Goal: a key that was handed over does not stay behind in memory that nobody holds.
// Method: bodies of frames are looked at before they are freed, and containers get their memory
// from the test, which looks at what comes back.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/protocol_samples.h"

namespace tlog::protocol {
namespace {

bool holds(ConstByteSpan memory, const KeyBytes& key) {
  const auto bytes = std::as_bytes(std::span(key));
  return std::search(memory.begin(), memory.end(), bytes.begin(), bytes.end()) != memory.end();
}

TEST(Secret, an_encoded_body_has_the_key_nowhere_but_in_it) {
  const Hello hello = testing::sample_hello();
  Buffer body = encode(hello);
  EXPECT_TRUE(holds(body.span(), hello.key));
  wipe(body.span());
  // The pages of the buffer behind the body, where it was made.
  body.reset_size(body.capacity());
  EXPECT_FALSE(holds(body.span(), hello.key));
}

TEST(Secret, a_decoded_body_is_wiped) {
  const Hello hello = testing::sample_hello();
  Buffer body = encode(hello);
  auto decoded = decode_and_wipe(body.span());
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(std::get<Hello>(*decoded), hello);
  EXPECT_TRUE(all_zero(body.span()));
}

TEST(Secret, a_body_that_cannot_be_decoded_is_wiped_and_not_told) {
  Hello hello = testing::sample_hello();
  hello.format.name.assign(kTextMax + 1, 'x');
  Buffer body = encode(hello);
  auto decoded = decode_and_wipe(body.span());
  ASSERT_FALSE(decoded);
  EXPECT_FALSE(holds(bytes_of(std::string_view(decoded.error().message())), hello.key));
  EXPECT_TRUE(all_zero(body.span()));
}

// Gives out one piece of memory after the other, and takes note of what comes back.
struct Watched {
  static inline std::array<std::uint8_t, 1024> memory;
  static inline std::size_t used = 0;
  static inline std::size_t given_back = 0;

  std::uint8_t* allocate(std::size_t count) {
    EXPECT_LE(used + count, memory.size());
    used += count;
    return memory.data() + used - count;
  }
  void deallocate(std::uint8_t* at, std::size_t count) {
    EXPECT_TRUE(all_zero(std::as_bytes(std::span(at, count))));
    given_back += count;
  }
};

TEST(Secret, a_container_wipes_what_it_lets_go_of) {
  using Bytes = std::vector<std::uint8_t, WipingAllocator<std::uint8_t, Watched>>;
  {
    Bytes key(kKeyBytes, 0xab);
    key.push_back(0xab);  // grows
    Bytes copy = key;
    Bytes moved = std::move(key);
    copy.assign(200, 0xcd);
  }
  EXPECT_GE(Watched::given_back, kKeyBytes * 3 + 200);
  EXPECT_EQ(Watched::given_back, Watched::used);
}

}  // namespace
}  // namespace tlog::protocol
