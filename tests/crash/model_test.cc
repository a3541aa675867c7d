// The judge alone. Goal: each fault is named, and what may be is not accused. Method: histories
// written by hand.
#include <gtest/gtest.h>

#include "tests/crash/model.h"

namespace tlog::crash {
namespace {

constexpr std::uint64_t kCells = 32;

class CrashModel : public testing::Test {
 protected:
  CrashModel() : history(100), before(kCells), after(kCells) { history.set_multi_conn(true); }

  std::uint64_t issue(Kind kind, std::uint64_t first, std::uint64_t cells, bool fua = false,
                      unsigned connection = 0) {
    return history.add({.kind = kind,
                        .fua = fua,
                        .connection = static_cast<std::uint8_t>(connection),
                        .first_cell = first,
                        .cells = cells});
  }
  std::uint64_t done(Kind kind, std::uint64_t first, std::uint64_t cells, bool fua = false,
                     unsigned connection = 0) {
    const std::uint64_t index = issue(kind, first, cells, fua, connection);
    history.answer(index);
    return index;
  }
  CellSeen stamped(std::uint64_t index, std::uint64_t cell) const {
    return {.state = CellState::kStamped, .operation = history.id_of(index), .cell = cell};
  }
  void show(std::uint64_t index, std::uint64_t first, std::uint64_t cells) {
    for (std::uint64_t c = first; c < first + cells; ++c) after[c] = stamped(index, c);
  }
  // The only fault seen, or "none", or "several".
  std::string verdict(const Promises& promises = {}) const {
    return only(check_survivors(history, before, after, promises));
  }
  std::string answers(const Promises& promises = {}) const {
    return only(check_answers(history, before, promises));
  }

  static std::string only(const std::vector<Violation>& violations) {
    std::string name = "none";
    for (const Violation& violation : violations) {
      if (name != "none" && name != fault_name(violation.fault)) return "several";
      name = fault_name(violation.fault);
    }
    return name;
  }

  History history;
  Image before;
  Image after;
};

TEST_F(CrashModel, UnflushedWriteMayBeLost) {
  done(Kind::kWrite, 0, 8);
  EXPECT_EQ(verdict(), "none");
  EXPECT_EQ(verdict({.keep_acked = true}), "LOST");
}

TEST_F(CrashModel, FlushedWriteMayNot) {
  done(Kind::kWrite, 0, 8);
  done(Kind::kFlush, 0, 0);
  EXPECT_EQ(verdict(), "LOST");
  show(0, 0, 8);
  EXPECT_EQ(verdict(), "none");
}

TEST_F(CrashModel, FlushIssuedBeforeTheAnswerCoversNothing) {
  const auto write = issue(Kind::kWrite, 0, 8);
  const auto flush = issue(Kind::kFlush, 0, 0);
  history.answer(write);
  history.answer(flush);
  EXPECT_EQ(verdict(), "none");
}

TEST_F(CrashModel, FlushWithoutMultiConnCoversItsOwnConnection) {
  done(Kind::kWrite, 0, 8, false, 1);
  done(Kind::kFlush, 0, 0, false, 0);
  EXPECT_EQ(verdict(), "LOST");
  history.set_multi_conn(false);
  EXPECT_EQ(verdict(), "none");
}

TEST_F(CrashModel, FuaIsDurableAtItsAnswer) {
  const auto first = issue(Kind::kWrite, 0, 8, true);
  EXPECT_EQ(verdict(), "none");
  history.answer(first);
  EXPECT_EQ(verdict(), "LOST");
}

TEST_F(CrashModel, LaterWriteMaySurviveInItsPlace) {
  done(Kind::kWrite, 0, 8, true);
  const auto later = issue(Kind::kWrite, 0, 8);
  show(later, 0, 8);
  EXPECT_EQ(verdict(), "none");
}

TEST_F(CrashModel, OlderStateOfALaterDurableWriteIsLost) {
  const auto older = done(Kind::kWrite, 0, 8);
  done(Kind::kWrite, 0, 8, true);
  show(older, 0, 8);
  EXPECT_EQ(verdict(), "LOST");
}

TEST_F(CrashModel, ConcurrentWritesMayEndInAnyOrderUntilOneWasRead) {
  const auto a = issue(Kind::kWrite, 0, 8, true);
  const auto b = issue(Kind::kWrite, 0, 8, true);
  history.answer(a);
  history.answer(b);
  show(a, 0, 8);
  EXPECT_EQ(verdict(), "none");
  const auto read = issue(Kind::kRead, 0, 1);
  history.answer_seen(read, {stamped(b, 0)});
  EXPECT_EQ(answers(), "none");
  EXPECT_EQ(verdict(), "LOST");  // a was overwritten, a reader has seen it
}

TEST_F(CrashModel, ZeroesCountLikeData) {
  const auto write = done(Kind::kWrite, 0, 8, true);
  show(write, 0, 8);
  done(Kind::kZero, 0, 8, true);
  EXPECT_EQ(verdict(), "LOST");
  after = Image(kCells);
  EXPECT_EQ(verdict(), "none");
}

TEST_F(CrashModel, TrimMayReadAsEitherUnlessPromised) {
  const auto write = done(Kind::kWrite, 0, 8, true);
  show(write, 0, 8);
  done(Kind::kTrim, 0, 8, true);
  EXPECT_EQ(verdict(), "none");
  EXPECT_EQ(verdict({.trim_zeroes = true}), "LOST");
  after = Image(kCells);
  EXPECT_EQ(verdict(), "none");
}

// What was there before comes back under a flushed write, because a trim was under way meanwhile.
TEST_F(CrashModel, FlushBesideATrimCoversOtherCellsOnlyWhereThatIsAllThatIsPromised) {
  constexpr Promises kEscapes = {.trim_zeroes = true, .zeroing_escapes_flush = true};
  for (std::uint64_t c = 0; c < 16; ++c)
    before[c] = {.state = CellState::kStamped, .operation = 50, .cell = c};
  after = before;
  done(Kind::kWrite, 0, 8);
  const auto trim = issue(Kind::kTrim, 7, 4);
  done(Kind::kFlush, 0, 0);
  EXPECT_EQ(verdict(), "LOST");
  EXPECT_EQ(verdict(kEscapes), "none");
  history.answer(trim);
  EXPECT_EQ(verdict(kEscapes), "none");
  const auto elsewhere = done(Kind::kWrite, 12, 2);
  done(Kind::kWrite, 11, 1, true);
  EXPECT_EQ(verdict(kEscapes), "LOST");  // no trim beside the FUA
  after[11] = stamped(elsewhere + 1, 11);
  EXPECT_EQ(verdict(kEscapes), "none");
  done(Kind::kFlush, 0, 0);
  EXPECT_EQ(verdict(kEscapes), "LOST");  // nor beside this flush
}

TEST_F(CrashModel, FuaBesideAZeroOfItsCellsIsLikeAFlushBesideIt) {
  constexpr Promises kEscapes = {.zeroing_escapes_flush = true};
  for (std::uint64_t c = 0; c < 16; ++c)
    before[c] = {.state = CellState::kStamped, .operation = 50, .cell = c};
  after = before;
  const auto zero = issue(Kind::kZero, 4, 8);
  const auto beside = done(Kind::kWrite, 0, 8, true);
  EXPECT_EQ(verdict(), "LOST");
  EXPECT_EQ(verdict(kEscapes), "none");
  done(Kind::kWrite, 0, 4, true);
  EXPECT_EQ(verdict(kEscapes), "LOST");  // its cells are others than the zero's
  show(beside + 1, 0, 4);
  history.answer(zero);
  EXPECT_EQ(verdict(kEscapes), "none");
}

TEST_F(CrashModel, NoAnswerCountsThatComesAfterTheEnd) {
  const auto write = issue(Kind::kWrite, 0, 8, true);
  const auto read = issue(Kind::kRead, 0, 1);
  const auto refused = issue(Kind::kWrite, 8, 1);
  history.close();
  history.answer(write);
  history.answer_seen(read, {stamped(write, 1)});
  history.answer_error(refused, 5);
  EXPECT_EQ(verdict(), "none");
  EXPECT_EQ(answers(), "none");
}

TEST_F(CrashModel, WhatWasNeverWrittenIsAGhost) {
  done(Kind::kWrite, 0, 8);
  after[9] = stamped(0, 9);  // the operation exists, but not here
  EXPECT_EQ(verdict(), "GHOST");
  after[9] = {.state = CellState::kStamped, .operation = 5000, .cell = 9};
  EXPECT_EQ(verdict(), "GHOST");
}

TEST_F(CrashModel, WhatOlderRoundsOverwroteDoesNotComeBack) {
  before[3] = {.state = CellState::kStamped, .operation = 50, .cell = 3};
  after[3] = {.state = CellState::kStamped, .operation = 40, .cell = 3};
  EXPECT_EQ(verdict(), "LOST");
}

TEST_F(CrashModel, StampsOfOtherCellsAreMisplacedAndBrokenOnesTorn) {
  after[3] = {.state = CellState::kMisplaced, .operation = 100, .cell = 4};
  EXPECT_EQ(verdict(), "MISPLACED");
  after[3] = {.state = CellState::kTorn};
  EXPECT_EQ(verdict(), "TORN");
}

TEST_F(CrashModel, HalfABlockIsTornWhereAtomicityIsPromised) {
  const auto write = issue(Kind::kWrite, 8, 8);
  show(write, 8, 4);
  EXPECT_EQ(verdict(), "none");
  EXPECT_EQ(verdict({.atomic = true}), "TORN");
  show(write, 8, 8);
  EXPECT_EQ(verdict({.atomic = true}), "none");
}

TEST_F(CrashModel, MixOfTwoWholeBlockWritesIsTorn) {
  const auto a = issue(Kind::kWrite, 8, 8);
  const auto b = issue(Kind::kWrite, 8, 8);
  show(a, 8, 8);
  show(b, 12, 4);
  EXPECT_EQ(verdict({.atomic = true}), "TORN");
}

TEST_F(CrashModel, PartialOverwriteOfAWholeBlockIsNotTorn) {
  const auto whole = issue(Kind::kWrite, 8, 8);
  const auto part = issue(Kind::kWrite, 10, 2);
  show(whole, 8, 8);
  show(part, 10, 2);
  EXPECT_EQ(verdict({.atomic = true}), "none");
}

TEST_F(CrashModel, GapBeforeASurvivorBreaksThePrefix) {
  done(Kind::kWrite, 0, 8);
  const auto later = issue(Kind::kWrite, 16, 8);
  show(later, 16, 8);
  EXPECT_EQ(verdict(), "none");
  EXPECT_EQ(verdict({.prefix = true}), "LOST");
  show(0, 0, 8);
  EXPECT_EQ(verdict({.prefix = true}), "none");
}

TEST_F(CrashModel, ReadsMustSeeWhatWasAnsweredBeforeThem) {
  const auto write = done(Kind::kWrite, 0, 1);
  const auto read = issue(Kind::kRead, 0, 1);
  history.answer_seen(read, {CellSeen{}});
  EXPECT_EQ(answers(), "STALE");
  history.answer_seen(read, {stamped(write, 0)});
  EXPECT_EQ(answers(), "none");
}

TEST_F(CrashModel, TornReadIsAFaultUnlessAWriteWasBesideIt) {
  constexpr Promises kTears = {.torn_reads_beside_writes = true};
  const CellSeen torn = {.state = CellState::kTorn};
  const auto earlier = done(Kind::kWrite, 0, 2);
  const auto read = issue(Kind::kRead, 0, 2);
  const auto write = issue(Kind::kWrite, 0, 1);
  history.answer_seen(read, {torn, stamped(earlier, 1)});
  EXPECT_EQ(answers(), "TORN");
  EXPECT_EQ(answers(kTears), "none");
  history.answer_seen(read, {torn, torn});
  EXPECT_EQ(answers(kTears), "TORN");  // nothing wrote to the second cell meanwhile
  history.answer(write);
  const auto later = issue(Kind::kRead, 0, 1);
  history.answer_seen(read, {torn, stamped(earlier, 1)});
  history.answer_seen(later, {torn});
  EXPECT_EQ(answers(kTears), "TORN");  // the write had ended
}

TEST_F(CrashModel, ReadsMaySeeWhatIsInFlight) {
  const auto read = issue(Kind::kRead, 0, 1);
  const auto write = issue(Kind::kWrite, 0, 1);
  history.answer_seen(read, {stamped(write, 0)});
  EXPECT_EQ(answers(), "none");
}

TEST_F(CrashModel, RefusedRequestIsReported) {
  history.answer_error(issue(Kind::kWrite, 0, 1), 5);
  EXPECT_EQ(answers(), "ERROR");
}

TEST(CrashStamp, CellsExplainThemselves) {
  std::vector<std::byte> bytes(4 * kCellBytes);
  stamp(bytes, 10, 77);
  EXPECT_EQ(read_stamp(ConstByteSpan(bytes).first(kCellBytes), 10),
            (CellSeen{.state = CellState::kStamped, .operation = 77, .cell = 10}));
  EXPECT_EQ(read_stamp(ConstByteSpan(bytes).first(kCellBytes), 11).state, CellState::kMisplaced);
  for (const std::size_t at : {std::size_t{0}, std::size_t{30}, std::size_t{300}, kCellBytes - 1}) {
    auto altered = bytes;
    altered[at] ^= std::byte{1};
    EXPECT_EQ(read_stamp(ConstByteSpan(altered).first(kCellBytes), 10).state, CellState::kTorn)
        << at;
  }
  EXPECT_EQ(read_stamp(ConstByteSpan(std::vector<std::byte>(kCellBytes)), 5), CellSeen{});
}

}  // namespace
}  // namespace tlog::crash
