// Every implementation gives libsodium's bytes for any batch: lengths around block ends, long and
// short ones mixed.
#include "tests/property/generate.h"
#include "tlog/seal/hash.h"

namespace tlog::seal {
namespace {

RC_GTEST_PROP(HashProperty, lanes_agree_with_libsodium, ()) {
  const auto lengths = *rc::gen::container<std::vector<std::size_t>>(
      rc::gen::oneOf(rc::gen::inRange<std::size_t>(0, 600),
                     rc::gen::element<std::size_t>(0, 127, 128, 129, 256, 4096),
                     rc::gen::inRange<std::size_t>(0, 20'000)));
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < lengths.size(); ++i)
    texts.push_back(tlog::testing::random_text(seed + i, lengths[i]));
  std::vector<ConstByteSpan> messages;
  for (const std::string& text : texts) messages.push_back(bytes_of(std::string_view(text)));
  for (HashLanes lanes :
       {HashLanes::kBest, HashLanes::kPortable, HashLanes::kAvx2, HashLanes::kAvx512}) {
    if (!hash_lanes_available(lanes)) continue;
    std::vector<Hash256> hashes(messages.size());
    hash_many(messages, hashes, lanes);
    for (std::size_t i = 0; i < messages.size(); ++i) RC_ASSERT(hashes[i] == hash_one(messages[i]));
  }
}

}  // namespace
}  // namespace tlog::seal
