// Pages on the wire: what others made is refused with the reason, whatever it is.
#include <gtest/gtest.h>

#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "gateways/cas/page.h"

namespace tlog::testing {
namespace {

cas::Page sample() {
  cas::Page page;
  page.vdisk.bytes.fill(3);
  page.tail = cas::address_of("older");
  page.cas = "/ip4/127.0.0.1/tcp/17500";
  for (std::uint64_t at = 5; at-- > 0;) {
    cas::PagePair pair;
    pair.piece = {
        .epoch = 2, .offset = at * 10, .length = 10, .number = at + 1, .hash = {}, .address = {}};
    pair.piece.hash.bytes.fill(static_cast<std::uint8_t>(at));
    const std::string content(10, static_cast<char>('a' + at));
    pair.piece.address = at % 2 == 0 ? cas::address_of(content) : std::string();
    if (at % 2 == 1 || at == 4) pair.data = content;
    page.pairs.push_back(std::move(pair));
  }
  return page;
}

TEST(Page, comes_back_as_it_was) {
  const cas::Page page = sample();
  const std::string bytes = cas::encode_page(page);
  const auto read = cas::decode_page(bytes);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(cas::encode_page(*read), bytes);
  ASSERT_EQ(read->pairs.size(), page.pairs.size());
  for (std::size_t i = 0; i < page.pairs.size(); ++i) {
    EXPECT_TRUE(read->pairs[i].piece.is_same(page.pairs[i].piece));
    EXPECT_EQ(read->pairs[i].piece.address, page.pairs[i].piece.address);
    EXPECT_EQ(read->pairs[i].data, page.pairs[i].data);
  }
  EXPECT_EQ(read->tail, page.tail);
  EXPECT_EQ(read->cas, page.cas);
}

TEST(Page, refuses_what_cannot_be) {
  const auto refuses = [](const std::function<void(cas::Page&)>& change) {
    cas::Page page = sample();
    change(page);
    const auto read = cas::decode_page(cas::encode_page(page));
    return !read && read.error().code() == Code::kCorruption;
  };
  EXPECT_FALSE(refuses([](cas::Page&) {}));
  EXPECT_TRUE(refuses([](cas::Page& page) { page.pairs.clear(); }));
  EXPECT_TRUE(refuses([](cas::Page& page) { page.pairs.erase(page.pairs.begin() + 2); }));
  EXPECT_TRUE(refuses([](cas::Page& page) { std::swap(page.pairs[0], page.pairs[1]); }));
  EXPECT_TRUE(refuses([](cas::Page& page) { page.pairs[0].data = "short"; }));
  EXPECT_TRUE(refuses([](cas::Page& page) { page.pairs[0].data[3] ^= 1; }))
      << "its address says so";
  EXPECT_TRUE(refuses([](cas::Page& page) { page.pairs[1].data.clear(); })) << "it is nowhere";
  EXPECT_TRUE(refuses([](cas::Page& page) { page.pairs[0].piece.epoch = 0; }));
  EXPECT_TRUE(refuses([](cas::Page& page) { page.pairs[0].piece.length = 0; }));
  EXPECT_TRUE(refuses([](cas::Page& page) { page.pairs[0].piece.offset = ~std::uint64_t{0} - 3; }));
  EXPECT_TRUE(refuses([](cas::Page& page) { page.tail = std::string(300, 'x'); }));
  EXPECT_TRUE(
      refuses([](cas::Page& page) { page.pairs[0].piece.address = std::string(300, 'x'); }));
}

// A few bytes each in a content, a hundred in memory.
TEST(Page, refuses_millions_of_empty_pairs_before_it_reads_them) {
  std::string bytes;
  for (std::size_t i = 0; i < cas::kContentBytesMax / 2; ++i)
    bytes += std::string_view("\x0a\0", 2);
  const auto read = cas::decode_page(bytes);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), Code::kCorruption);
  EXPECT_NE(read.error().message().find("more pairs than"), std::string::npos)
      << read.error().message();
}

RC_GTEST_PROP(PageProperty, any_bytes_are_read_or_refused, (const std::string& bytes)) {
  const auto read = cas::decode_page(bytes);
  if (!read) RC_ASSERT(read.error().code() == Code::kCorruption);
}

RC_GTEST_PROP(PageProperty, a_changed_byte_is_refused_or_read_again_the_same, ()) {
  std::string bytes = cas::encode_page(sample());
  const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
  bytes[at] = static_cast<char>(bytes[at] ^ *rc::gen::inRange(1, 256));
  const auto read = cas::decode_page(bytes);
  if (!read) return;
  const auto again = cas::decode_page(cas::encode_page(*read));
  RC_ASSERT(again.has_value());
  RC_ASSERT(cas::encode_page(*again) == cas::encode_page(*read));
}

TEST(Page, cuts_frames_without_a_gap) {
  for (const std::uint32_t length : {1u, 100u, static_cast<unsigned>(cas::kContentBytesMax),
                                     static_cast<unsigned>(cas::kContentBytesMax) + 1, 17u << 20}) {
    const cas::Piece frame{
        .epoch = 1, .offset = 72, .length = length, .number = 9, .hash = {}, .address = {}};
    const auto pieces = cas::cut_frame(frame);
    EXPECT_EQ(pieces.front().offset, frame.offset);
    EXPECT_EQ(pieces.back().end(), frame.end());
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      EXPECT_LE(pieces[i].length, cas::kContentBytesMax);
      EXPECT_TRUE(i == 0 || cas::adjoin(pieces[i - 1], pieces[i]));
    }
  }
}

TEST(Multiaddr, names_a_target) {
  EXPECT_EQ(cas::target_of_multiaddr("/ip4/10.0.0.7/tcp/17500").value(), "10.0.0.7:17500");
  EXPECT_EQ(cas::target_of_multiaddr("/ip6/::1/tcp/1").value(), "[::1]:1");
  EXPECT_EQ(cas::target_of_multiaddr("/dns4/cas.example/tcp/80").value(), "cas.example:80");
  EXPECT_EQ(cas::target_of_multiaddr("/unix/run/cas.sock").value(), "unix:/run/cas.sock");
  for (const char* wrong :
       {"", "/", "ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/udp/1", "/ip4//tcp/1", "/ip4/1.2.3.4/tcp/"}) {
    EXPECT_FALSE(cas::target_of_multiaddr(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace tlog::testing
