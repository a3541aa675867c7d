// Goal: the overlay is an array of bytes that remembers where each came from.
// Method: random insertions and removals against a plain array; every range looked up is compared.
#include "tlog/session/overlay.h"

#include <gtest/gtest.h>

#include <random>

namespace tlog::session {
namespace {

struct Cell {
  Overlay::Kind kind = Overlay::Kind::kNone;
  journal::Position position = 0;
  Sequence sequence = 0;
};

constexpr std::uint64_t kSize = 400;

void expect_same(const Overlay& overlay, const std::vector<Cell>& model, std::uint64_t offset,
                 std::uint64_t length) {
  std::vector<Overlay::Piece> pieces;
  overlay.lookup(offset, length, pieces);
  std::uint64_t at = offset;
  for (const Overlay::Piece& piece : pieces) {
    ASSERT_EQ(piece.offset, at);
    ASSERT_GT(piece.length, 0u);
    for (std::uint64_t i = 0; i < piece.length; ++i) {
      const Cell& cell = model[at + i];
      ASSERT_EQ(piece.kind, cell.kind) << "at " << at + i;
      if (piece.kind == Overlay::Kind::kData) {
        ASSERT_EQ(piece.position + i, cell.position) << "at " << at + i;
      }
    }
    at += piece.length;
  }
  ASSERT_EQ(at, offset + length);
}

void run_against_array(std::uint64_t seed) {
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  Overlay overlay;
  std::vector<Cell> model(kSize);
  Sequence sequence = 0;
  for (int step = 0; step < 400; ++step) {
    std::uint64_t offset = random() % kSize;
    std::uint64_t length =
        1 + random() % std::min<std::uint64_t>(kSize - offset, random() % 8 == 0 ? kSize : 40);
    if (random() % 4 != 0) {
      auto kind = static_cast<Overlay::Kind>(1 + random() % 3);
      journal::Position position = random() % 1'000'000;
      ++sequence;
      overlay.insert(offset, length, kind, position, sequence);
      for (std::uint64_t i = 0; i < length; ++i) {
        model[offset + i] = {kind, kind == Overlay::Kind::kData ? position + i : 0, sequence};
      }
    } else if (sequence > 0) {
      Sequence up_to = sequence - random() % std::min<std::uint64_t>(sequence, 20);
      overlay.remove_applied(offset, length, up_to);
      for (std::uint64_t i = 0; i < length; ++i) {
        if (model[offset + i].sequence <= up_to) model[offset + i] = {};
      }
    }
    expect_same(overlay, model, 0, kSize);
    std::uint64_t from = random() % kSize;
    expect_same(overlay, model, from, 1 + random() % (kSize - from));
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(Overlay, IsAnArrayThatRemembersWhere) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) run_against_array(seed);
}

TEST(Overlay, AWholeDiskIsOneExtent) {
  Overlay overlay;
  for (std::uint64_t i = 0; i < 1000; ++i)
    overlay.insert(i * 8192, 4096, Overlay::Kind::kData, i, i + 1);
  EXPECT_EQ(overlay.extents(), 1000u);
  overlay.insert(0, std::uint64_t{1} << 50, Overlay::Kind::kHole, 0, 1001);
  EXPECT_EQ(overlay.extents(), 1u);
  overlay.remove_applied(0, std::uint64_t{1} << 50, 1001);
  EXPECT_EQ(overlay.extents(), 0u);
}

TEST(Overlay, ANewerExtentSurvivesTheRemovalOfAnOlder) {
  Overlay overlay;
  overlay.insert(0, 100, Overlay::Kind::kData, 1000, 1);
  overlay.insert(40, 10, Overlay::Kind::kData, 2000, 2);
  overlay.remove_applied(0, 100, 1);
  auto all = overlay.all();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].offset, 40u);
  EXPECT_EQ(all[0].position, 2000u);
}

}  // namespace
}  // namespace tlog::session
