// Any k of k+m shards, in any order, of any geometry and length.
#include "tests/property/generate.h"
#include "tlog/shard/shard.h"

namespace tlog::shard {
namespace {

RC_GTEST_PROP(ShardProperty, any_k_shards_decode, ()) {
  const Geometry geometry{.data = *rc::gen::inRange<unsigned>(1, kDataShardsMax + 1),
                          .parity = *rc::gen::inRange<unsigned>(0, kParityShardsMax + 1)};
  const auto length = *rc::gen::inRange<std::size_t>(1, 50'000);
  const std::string text = tlog::testing::random_text(length, length);
  Identity identity{.vdisk = tlog::testing::SampleAggregation::sample_uuid(),
                    .epoch = 1,
                    .number = length,
                    .aggregation_hash = {}};
  ShardSet set(geometry, identity, Buffer::copy_of(bytes_of(std::string_view(text))), length);

  std::vector<unsigned> order(geometry.total());
  for (unsigned i = 0; i < order.size(); ++i) order[i] = i;
  tlog::testing::SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.next() % i]);
  std::vector<Buffer> stored;
  std::vector<ShardView> views;
  for (unsigned i = 0; i < geometry.data; ++i) {
    Buffer bytes(set.shard_bytes());
    std::size_t at = 0;
    for (ConstByteSpan piece : set.pieces(order[i])) {
      std::memcpy(bytes.data() + at, piece.data(), piece.size());
      at += piece.size();
    }
    stored.push_back(std::move(bytes));
    auto view = parse(stored.back().span());
    RC_ASSERT(view.has_value());
    RC_ASSERT(view->index == order[i]);
    views.push_back(*view);
  }
  auto decoded = decode(views);
  RC_ASSERT(decoded.has_value());
  std::string back;
  for (ConstByteSpan piece : decoded->pieces)
    back.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  RC_ASSERT(back == text);

  const auto at = *rc::gen::inRange<std::size_t>(0, stored[0].size());
  RC_ASSERT(!parse(stored[0].span().first(at)).has_value());
  stored[0].data()[at] ^= static_cast<std::byte>(*rc::gen::inRange<int>(1, 256));
  RC_ASSERT(!parse(stored[0].span()).has_value());
  views.pop_back();
  RC_ASSERT(!decode(views).has_value());
}

}  // namespace
}  // namespace tlog::shard
