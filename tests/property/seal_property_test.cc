// Sealed in any cut comes back; one changed byte anywhere does not.
#include "tests/property/generate.h"
#include "tlog/seal/sealer.h"

namespace tlog::seal {
namespace {

using tlog::testing::SampleAggregation;
using tlog::testing::SeededRandom;

std::vector<ConstByteSpan> cut(ConstByteSpan bytes) {
  std::vector<ConstByteSpan> pieces;
  while (!bytes.empty()) {
    const auto length = std::min(*rc::gen::inRange<std::size_t>(0, 5000), bytes.size());
    pieces.push_back(bytes.first(length));
    bytes = bytes.subspan(length);
    if (pieces.size() > 40) {
      pieces.push_back(bytes);
      break;
    }
  }
  return pieces;
}

RC_GTEST_PROP(SealProperty, sealed_is_opened_and_damage_is_not, ()) {
  SampleAggregation sample;
  tlog::testing::draw(sample);
  SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
  auto key = MasterKey::generate(random);
  const Sealer sealer(*key, random,
                      *rc::gen::element(Cipher::kAes256Gcm, Cipher::kXChaCha20Poly1305));
  const auto tail = *rc::gen::inRange<std::size_t>(0, 2000);
  auto sealed = sealer.seal(sample.value, tail);
  RC_ASSERT(sealed.has_value());
  RC_ASSERT(sealed->length == sealed_bytes(sample.value));
  const Expected expected{.vdisk = sample.value.header.vdisk,
                          .epoch = sample.value.header.epoch,
                          .number = sample.value.header.number};
  const ByteSpan bytes = sealed->bytes.span().first(sealed->length);
  auto opened = sealer.open(cut(bytes), expected);
  RC_ASSERT(opened.has_value());
  RC_ASSERT(tlog::testing::difference(sample.value, opened->aggregation) == "");
  RC_ASSERT(opened->hash == sealed->hash);

  const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
  RC_ASSERT(!sealer.open(cut(bytes.first(at)), expected).has_value());
  bytes[at] ^= static_cast<std::byte>(*rc::gen::inRange<int>(1, 256));
  auto damaged = sealer.open(cut(bytes), expected);
  RC_ASSERT(!damaged.has_value());
  RC_ASSERT(damaged.error().code() == Code::kCorruption);
}

}  // namespace
}  // namespace tlog::seal
