// Goal and method as in golden_test.cc: the frames in which a vdisk's log travels.
#include <gtest/gtest.h>

#include "gateways/frames/frame.h"
#include "tests/golden/golden_file.h"

namespace tlog::logset {
namespace {

Hash256 frame_hash(std::uint8_t seed) {
  Hash256 hash;
  for (std::size_t i = 0; i < hash.bytes.size(); ++i) {
    hash.bytes[i] = static_cast<std::uint8_t>(seed + 5 * i);
  }
  return hash;
}

std::vector<std::byte> framed(const FrameHead& head, const Buffer& payload) {
  const auto bytes = encode_frame_head(head);
  std::vector<std::byte> frame(bytes.begin(), bytes.end());
  frame.insert(frame.end(), payload.data(), payload.data() + payload.size());
  return frame;
}

TEST(GoldenFrames, a_log_of_two_frames) {
  Uuid vdisk;
  for (std::size_t i = 0; i < vdisk.bytes.size(); ++i) {
    vdisk.bytes[i] = static_cast<std::uint8_t>(0xa0 + i);
  }
  format::Metadata metadata;
  metadata.generation = 77;  // not a part of it
  metadata.format = {.vdisk = vdisk, .name = "vm1", .size = 8 * kMiB};
  metadata.key_id.assign(16, 9);
  for (Epoch epoch : {1, 2, 3}) {
    metadata.epochs.push_back({.epoch = epoch,
                               .started = 1'700'000'000'000'000'000 + epoch,
                               .first_number = 5 * epoch,
                               .first_sequence = 50 * epoch,
                               .writer = "host:1"});
  }
  const Buffer opening = make_opening_payload(metadata, 2);
  std::vector<std::byte> log = framed({.kind = FrameKind::kOpening,
                                       .number = 10,
                                       .payload_bytes = opening.size(),
                                       .prev = frame_hash(1)},
                                      opening);
  Buffer sealed(300);
  for (std::size_t i = 0; i < sealed.size(); ++i) sealed.data()[i] = static_cast<std::byte>(i * 3);
  const Buffer payload = make_aggregation_payload(
      {.vdisk = vdisk, .epoch = 2, .number = 10, .aggregation_hash = frame_hash(2)},
      std::move(sealed), 300);
  EXPECT_EQ(payload.size(), aggregation_payload_bytes(300));
  const auto second = framed({.kind = FrameKind::kAggregation,
                              .number = 10,
                              .payload_bytes = payload.size(),
                              .prev = frame_hash(1)},
                             payload);
  log.insert(log.end(), second.begin(), second.end());
  const std::string kept = testing::golden("logset_frames", log);

  // What is kept is still taken, byte by byte, and ends where it should.
  EXPECT_EQ(epoch_log_name(vdisk, 2), "a0a1a2a3a4a5a6a7a8a9aaabacadaeafe2");
  FrameVerifier verifier(*parse_epoch_log_name("a0a1a2a3a4a5a6a7a8a9aaabacadaeafe2"), {});
  for (char c : kept) {
    const std::byte byte{static_cast<unsigned char>(c)};
    ASSERT_TRUE(verifier.take(ConstByteSpan(&byte, 1)));
  }
  EXPECT_TRUE(verifier.at_frame_end());
  EXPECT_EQ(verifier.chain().next, 11u);
  EXPECT_EQ(verifier.chain().last, frame_hash(2));
  for (const char* bad :
       {"a0a1e2", "A0a1a2a3a4a5a6a7a8a9aaabacadaeafe2", "plain",
        "a0a1a2a3a4a5a6a7a8a9aaabacadaeafe02", "a0a1a2a3a4a5a6a7a8a9aaabacadaeafe",
        "a0a1a2a3a4a5a6a7a8a9aaabacadaeafe2x"}) {
    EXPECT_FALSE(parse_epoch_log_name(bad)) << bad;
  }
}

}  // namespace
}  // namespace tlog::logset
