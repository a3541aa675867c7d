// What the codecs encode they decode, and whatever is done to the bytes they answer without
// crashing.
#include "tests/property/generate.h"

namespace tlog::format {
namespace {

using tlog::testing::difference;
using tlog::testing::draw;
using tlog::testing::plaintext_of;
using tlog::testing::SampleAggregation;

RC_GTEST_PROP(FormatProperty, aggregation_round_trip, ()) {
  SampleAggregation sample;
  draw(sample);
  RC_ASSERT(check(sample.value).has_value());
  Buffer plaintext = plaintext_of(sample.value);
  RC_ASSERT(plaintext.size() == plaintext_bytes(sample.value));
  auto decoded = decode(plaintext.span());
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(difference(sample.value, *decoded) == "");
}

// Damage of plaintext may be invisible here (the seal's business), but what is accepted obeys the
// rules.
RC_GTEST_PROP(FormatProperty, damaged_aggregation_is_refused_or_obeys_the_rules, ()) {
  SampleAggregation sample;
  draw(sample);
  Buffer plaintext = plaintext_of(sample.value);
  const std::size_t table = table_bytes(sample.value.records.size());
  const auto changes = *rc::gen::container<std::vector<std::pair<std::size_t, std::uint8_t>>>(
      rc::gen::pair(rc::gen::inRange<std::size_t>(0, table), rc::gen::arbitrary<std::uint8_t>()));
  for (auto [at, value] : changes) plaintext.data()[at] = std::byte{value};
  auto decoded = decode(plaintext.span());
  if (decoded) RC_ASSERT(check(*decoded).has_value());
}

AggregationReference draw_reference(AggregationNumber number) {
  tlog::testing::SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
  AggregationReference reference{
      .number = number, .epoch = random.next(), .hash = {}, .first_sequence = random.next() / 2};
  reference.last_sequence = reference.first_sequence + random.next() / 2;
  reference.first_timestamp = random.next();
  reference.last_timestamp = random.next();
  random.fill(std::as_writable_bytes(std::span(reference.hash.bytes)));
  return reference;
}

bool same(const std::vector<AggregationReference>& a, const std::vector<AggregationReference>& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    return x.number == y.number && x.epoch == y.epoch && x.hash == y.hash &&
           x.first_sequence == y.first_sequence && x.last_sequence == y.last_sequence &&
           x.first_timestamp == y.first_timestamp && x.last_timestamp == y.last_timestamp;
  });
}

Metadata draw_metadata() {
  Metadata metadata;
  metadata.generation = *rc::gen::arbitrary<std::uint64_t>();
  metadata.format = {.vdisk = tlog::testing::SampleAggregation::sample_uuid(),
                     .name = *rc::gen::string<std::string>(),
                     .size = *rc::gen::inRange<std::uint64_t>(0, kVdiskSizeMax),
                     .block_size = *rc::gen::element(512u, 4096u, 65536u),
                     .data_shards = *rc::gen::inRange<std::uint8_t>(1, kDataShardsMax + 1),
                     .parity_shards = *rc::gen::inRange<std::uint8_t>(0, kParityShardsMax + 1)};
  const auto epochs = *rc::gen::inRange<std::uint64_t>(0, 30);
  for (Epoch epoch = 1; epoch <= epochs; ++epoch) {
    metadata.epochs.push_back({.epoch = epoch * 3,
                               .started = epoch,
                               .first_number = epoch,
                               .first_sequence = epoch,
                               .writer = *rc::gen::string<std::string>()});
  }
  const auto references = *rc::gen::inRange<std::size_t>(0, kLastReferencesMax + 1);
  for (std::size_t i = 0; i < references; ++i) metadata.last.push_back(draw_reference(100 + i));
  metadata.index_pages = *rc::gen::arbitrary<std::uint64_t>();
  metadata.servers.resize(*rc::gen::inRange<std::size_t>(0, 7));
  for (format::ServerEntry& server : metadata.servers) {
    server.server = tlog::testing::SampleAggregation::sample_uuid();
    server.since = *rc::gen::arbitrary<Epoch>();
    server.address = *rc::gen::string<std::string>();
    server.rebuilding = *rc::gen::arbitrary<bool>();
  }
  metadata.blocks = {.cluster = *rc::gen::string<std::string>(),
                     .switches = *rc::gen::arbitrary<std::uint64_t>(),
                     .epoch = *rc::gen::arbitrary<Epoch>(),
                     .sequence = *rc::gen::arbitrary<Sequence>(),
                     .since = *rc::gen::arbitrary<TimestampNs>()};
  metadata.key_id =
      *rc::gen::container<std::vector<std::uint8_t>>(rc::gen::arbitrary<std::uint8_t>());
  return metadata;
}

RC_GTEST_PROP(FormatProperty, metadata_round_trip, ()) {
  const Metadata metadata = draw_metadata();
  auto decoded = decode_metadata(encode_metadata(metadata).span());
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(decoded->generation == metadata.generation);
  RC_ASSERT(decoded->format == metadata.format);
  RC_ASSERT(decoded->format.fingerprint() == metadata.format.fingerprint());
  RC_ASSERT(std::ranges::equal(decoded->epochs, metadata.epochs, [](const auto& a, const auto& b) {
    return a.epoch == b.epoch && a.started == b.started && a.first_number == b.first_number &&
           a.first_sequence == b.first_sequence && a.writer == b.writer;
  }));
  RC_ASSERT(same(decoded->last, metadata.last));
  RC_ASSERT(decoded->index_pages == metadata.index_pages);
  RC_ASSERT(decoded->key_id == metadata.key_id);
  RC_ASSERT(decoded->servers == metadata.servers);
  RC_ASSERT(decoded->blocks == metadata.blocks);
}

RC_GTEST_PROP(FormatProperty, index_page_round_trip, ()) {
  IndexPage page;
  page.page = *rc::gen::inRange<std::uint64_t>(0, std::uint64_t{1} << 40);
  page.previous_page = draw_reference(1).hash;
  const auto entries = *rc::gen::inRange<std::uint64_t>(0, kIndexPageAggregations + 1);
  for (std::uint64_t i = 0; i < entries; ++i)
    page.entries.push_back(draw_reference(page.page * kIndexPageAggregations + i + 1));
  auto decoded = decode_index_page(encode_index_page(page).span());
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(decoded->page == page.page);
  RC_ASSERT(decoded->previous_page == page.previous_page);
  RC_ASSERT(same(decoded->entries, page.entries));
}

RC_GTEST_PROP(FormatProperty, damaged_metadata_is_refused, ()) {
  Buffer bytes = encode_metadata(draw_metadata());
  const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
  const auto flip = *rc::gen::inRange<int>(1, 256);
  RC_ASSERT(!decode_metadata(bytes.span().first(at)).has_value());
  bytes.data()[at] ^= static_cast<std::byte>(flip);
  RC_ASSERT(!decode_metadata(bytes.span()).has_value());
}

}  // namespace
}  // namespace tlog::format
