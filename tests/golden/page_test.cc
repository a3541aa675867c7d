// Goal and method as in golden_test.cc: a page of a vdisk's log (docs/format.md).
#include <gtest/gtest.h>

#include "gateways/cas/page.h"
#include "tests/golden/golden_file.h"

namespace tlog::cas {
namespace {

TEST(GoldenPage, an_opening_an_embedded_content_and_one_by_address) {
  Page page;
  page.vdisk.bytes.fill(0xa7);
  page.tail = address_of("an older page");
  page.cas = "/ip4/127.0.0.1/tcp/17500";
  const auto add = [&](Epoch epoch, std::uint64_t offset, const std::string& content,
                       AggregationNumber number, bool with_address, bool embedded) {
    PagePair pair;
    pair.piece = {.epoch = epoch,
                  .offset = offset,
                  .length = static_cast<std::uint32_t>(content.size()),
                  .number = number,
                  .hash = {},
                  .address = with_address ? address_of(content) : Address()};
    pair.piece.hash.bytes.fill(static_cast<std::uint8_t>(number));
    if (embedded) pair.data = content;
    page.pairs.push_back(std::move(pair));
  };
  add(3, 8, "embedded only", 12, false, true);
  add(3, 0, "open 3: ", 0, true, true);
  add(1, 4096, "by its address", 11, true, false);
  const std::string bytes = encode_page(page);
  const std::string kept = testing::golden("remote-log-page", std::as_bytes(std::span(bytes)));

  const auto read = decode_page(kept);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(encode_page(*read), bytes);
  ASSERT_EQ(read->pairs.size(), 3u);
  EXPECT_EQ(read->pairs[0].data, "embedded only");
  EXPECT_EQ(read->pairs[2].piece.end(), 4110u);
  EXPECT_EQ(text_of(read->tail), "a0e40220" + text_of(address_of("an older page")).substr(8));
}

}  // namespace
}  // namespace tlog::cas
