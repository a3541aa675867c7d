// Sealer::open() and open_blob() with the key of the golden files: as it comes, with the clear
// header's checksum put right, and in pieces. Only the golden bytes themselves may open.
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "tests/support/log_samples.h"
#include "tlog/seal/sealer.h"

namespace {

using namespace tlog;

const seal::Sealer& sealer() {
  static testing::SeededRandom random(2026);
  static const seal::MasterKey key = std::move(*seal::MasterKey::generate(random));
  static const seal::Sealer sealer(key, system_random());
  return sealer;
}

void open_all(ConstByteSpan bytes, std::size_t cut) {
  const seal::Expected expected{
      .vdisk = testing::SampleAggregation::sample_uuid(), .epoch = 3, .number = 7};
  const std::vector<ConstByteSpan> pieces = {bytes.first(cut), bytes.subspan(cut)};
  auto opened = sealer().open(pieces, expected);
  if (opened) TLOG_ASSERT(opened->aggregation.records.size() == 7);
  auto blob = sealer().open_blob(bytes, "golden");
  if (blob) TLOG_ASSERT(format::decode_index_page(blob->span()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kChecksumAt = 72;
  ConstByteSpan bytes = fuzz::bytes_of_input(data, size);
  const std::size_t cut = size == 0 ? 0 : data[size - 1] % (size + 1);
  open_all(bytes, cut);
  if (size >= kChecksumAt + 4) open_all(fuzz::with_checksum(bytes, kChecksumAt).span(), cut);
  return 0;
}
