// Bodies of logset: offsets and slices, and frames. What is accepted means the same in any cut, and
// says the same when it is written and read again.
#include "gateways/frames/frame.h"
#include "gateways/logset/grammar.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace tlog;
using namespace tlog::logset;

struct CountingVisitor final : SliceVisitor {
  Status begin(const SliceHead& head) override {
    TLOG_ASSERT(left == 0 && head.length > 0 && is_log_name(head.name));
    left = head.length;
    text += slice_line(head);
    return {};
  }
  Status bytes(ConstByteSpan piece) override {
    TLOG_ASSERT(!piece.empty() && piece.size() <= left);
    left -= piece.size();
    text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return {};
  }
  Status end() override {
    TLOG_ASSERT(left == 0);
    return {};
  }
  std::uint64_t left = 0;
  std::string text;
};

bool read_slices(ConstByteSpan bytes, std::size_t cut, CountingVisitor& visitor) {
  SliceParser parser(visitor);
  return parser.take(bytes.first(cut)) && parser.take(bytes.subspan(cut)) && parser.finish();
}

bool read_offsets(ConstByteSpan bytes, std::size_t cut, OffsetsParser& parser) {
  auto first = parser.take(bytes.first(cut));
  if (!first) return false;
  auto second = parser.take(bytes.subspan(*first));
  return second && parser.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ConstByteSpan bytes = fuzz::bytes_of_input(data, size);
  const std::size_t cut = size == 0 ? 0 : data[0] % size;
  CountingVisitor whole;
  CountingVisitor halves;
  const bool taken = read_slices(bytes, 0, whole);
  TLOG_ASSERT(taken == read_slices(bytes, cut, halves) && whole.text == halves.text);
  if (taken) {
    CountingVisitor again;
    TLOG_ASSERT(read_slices(std::as_bytes(std::span(whole.text)), 0, again));
    TLOG_ASSERT(again.text == whole.text);
  }
  OffsetsParser once;
  OffsetsParser twice;
  TLOG_ASSERT(read_offsets(bytes, 0, once) == read_offsets(bytes, cut, twice));
  TLOG_ASSERT(once.lengths() == twice.lengths());
  FrameVerifier verifier({.vdisk = {}, .epoch = 1}, {});
  (void)verifier.take(bytes);
  if (size >= kFrameHeadBytes) {
    const Buffer head = fuzz::with_checksum(bytes.first(kFrameHeadBytes), 64);
    (void)decode_frame_head(std::span<const std::byte, kFrameHeadBytes>(head.data(), head.size()));
  }
  return 0;
}
