// Pieces that are pushed: nothing is lost, doubled or in another order however the pull comes, each
// is bounded, none has two slices of one log, and a vdisk's log is never cut inside of a frame.
#include <gtest/gtest.h>

#include <map>

#include "gateways/frames/frame.h"
#include "gateways/sync/pieces.h"

namespace tlog::logset {
namespace {

const std::string kEpochLog = "00112233445566778899aabbccddeeffe7";

std::vector<std::byte> pattern(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7 + (i >> 12));
  return bytes;
}

void append_frame(std::vector<std::byte>& log, AggregationNumber number, std::size_t payload) {
  const auto head = encode_frame_head(
      {.kind = FrameKind::kAggregation, .number = number, .payload_bytes = payload, .prev = {}});
  log.insert(log.end(), head.begin(), head.end());
  const auto bytes = pattern(payload);
  log.insert(log.end(), bytes.begin(), bytes.end());
}

struct Cut {
  std::vector<Piece> pieces;
  PieceCutter cutter{[this](Piece piece) {
    pieces.push_back(std::move(piece));
    return Status();
  }};

  void slice(const std::string& name, std::uint64_t offset, ConstByteSpan bytes, std::size_t step) {
    ASSERT_TRUE(cutter.begin({.name = name, .offset = offset, .length = bytes.size()}));
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      ASSERT_TRUE(cutter.bytes(bytes.subspan(at, std::min(step, bytes.size() - at))));
    }
    ASSERT_TRUE(cutter.end());
  }
  // What a target has that takes the pieces one after the other, having `offset` of each before.
  std::map<std::string, std::vector<std::byte>> taken(std::uint64_t offset = 0) const {
    std::map<std::string, std::vector<std::byte>> logs;
    for (const Piece& piece : pieces) {
      std::map<std::string, int> slices;
      for (const PieceSlice& slice : piece) {
        auto& log = logs[slice.head.name];
        EXPECT_EQ(++slices[slice.head.name], 1) << "two slices of one log in one push";
        EXPECT_EQ(slice.head.offset, offset + log.size());
        EXPECT_EQ(slice.head.length, slice.bytes.size());
        EXPECT_GT(slice.head.length, 0u);
        log.insert(log.end(), slice.bytes.begin(), slice.bytes.end());
      }
    }
    return logs;
  }
};

TEST(Pieces, carry_all_bytes_in_bounded_pushes) {
  const auto big = pattern(3 * kPieceBytesMax + 12345);
  const auto small = pattern(1000);
  for (const std::size_t step : {std::size_t{65'536}, std::size_t{1'000'003}, big.size()}) {
    Cut cut;
    cut.slice("a", 17, small, step);
    cut.slice("b", 17, big, step);
    cut.slice("c", 17, small, step);
    ASSERT_TRUE(cut.cutter.finish());
    EXPECT_EQ(cut.pieces.size(), 4u) << "small ones travel with the others";
    for (const Piece& piece : cut.pieces) EXPECT_LE(piece_bytes(piece), kPieceBytesMax);
    const auto logs = cut.taken(17);
    EXPECT_EQ(logs.size(), 3u);
    EXPECT_TRUE(logs.at("a") == small && logs.at("b") == big && logs.at("c") == small);
  }
}

TEST(Pieces, of_a_vdisk_begin_and_end_with_its_frames) {
  std::vector<std::byte> log;
  std::vector<std::uint64_t> edges{0};
  // The longest there may be, too: it has a piece of its own.
  for (const std::size_t payload :
       {500u, 5u << 20, 2u << 20, 16u << 20, 3u << 20, 4u << 20, 6u << 20, 1u}) {
    append_frame(log, edges.size(), payload);
    edges.push_back(log.size());
  }
  for (const std::size_t step : {std::size_t{71}, std::size_t{262'144}, log.size()}) {
    Cut cut;
    cut.slice(kEpochLog, 0, log, step);
    ASSERT_TRUE(cut.cutter.finish());
    EXPECT_GE(cut.pieces.size(), 4u);
    for (const Piece& piece : cut.pieces) {
      ASSERT_EQ(piece.size(), 1u);
      const std::uint64_t end = piece[0].head.offset + piece[0].head.length;
      EXPECT_NE(std::find(edges.begin(), edges.end(), end), edges.end()) << end;
      const bool is_one_frame = piece[0].head.length > 16u << 20;
      EXPECT_TRUE(is_one_frame || piece_bytes(piece) <= kPieceBytesMax);
    }
    EXPECT_TRUE(cut.taken().at(kEpochLog) == log);
  }
}

TEST(Pieces, of_a_log_that_has_no_frames_though_its_name_says_so_carry_all_bytes) {
  const auto log = pattern(kPieceBytesMax + 100);
  std::vector<std::byte> torn;
  append_frame(torn, 1, 200);
  torn.resize(torn.size() - 150);
  for (const auto& bytes : {log, torn, pattern(40)}) {
    Cut cut;
    cut.slice(kEpochLog, 5, bytes, 33'333);
    ASSERT_TRUE(cut.cutter.finish());
    EXPECT_TRUE(cut.taken(5).at(kEpochLog) == bytes);
  }
}

TEST(Pieces, end_with_the_error_of_who_takes_them) {
  PieceCutter cutter([](Piece) { return Status(fail(Code::kShutdown, "gone")); });
  ASSERT_TRUE(cutter.begin({.name = "a", .offset = 0, .length = 2 * kPieceBytesMax}));
  const Status taken = cutter.bytes(pattern(2 * kPieceBytesMax));
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code(), Code::kShutdown);
}

}  // namespace
}  // namespace tlog::logset
