// Goal: a record never counts as stored that fewer logs have than the write concern wants. Method:
// marks by hand.
#include "server/client/board.h"

#include <gtest/gtest.h>

namespace tlog::client {
namespace {

Uuid log_number(std::uint8_t number) {
  Uuid uuid;
  uuid.bytes[0] = number;
  return uuid;
}

Mark mark(std::uint8_t log, Sequence stored) {
  Mark mark;
  if (log != 0) mark.log = log_number(log);
  mark.counts = true;
  mark.marker.stored = stored;
  return mark;
}

Sequence nth(const std::vector<Mark>& marks, unsigned n) {
  return nth_greatest(marks, n, [](const Mark& one) { return one.marker.stored; });
}

TEST(Board, TheNthGreatestOfDifferentLogs) {
  const std::vector<Mark> marks = {mark(1, 10), mark(2, 30), mark(3, 20)};
  EXPECT_EQ(nth(marks, 1), 30U);
  EXPECT_EQ(nth(marks, 2), 20U);
  EXPECT_EQ(nth(marks, 3), 10U);
  EXPECT_EQ(nth(marks, 4), 0U);
  EXPECT_EQ(nth(marks, 0), 0U);
}

TEST(Board, ServersOfOneLogCountOnce) {
  const std::vector<Mark> marks = {mark(1, 10), mark(1, 30), mark(2, 20)};
  EXPECT_EQ(nth(marks, 1), 30U);
  EXPECT_EQ(nth(marks, 2), 20U);
  EXPECT_EQ(nth(marks, 3), 0U);
}

TEST(Board, ServersThatDoNotNameTheirLogCountEach) {
  EXPECT_EQ(nth({mark(0, 10), mark(0, 30)}, 2), 10U);
}

TEST(Board, WhoIsNotBelievedDoesNotCount) {
  std::vector<Mark> marks = {mark(1, 10), mark(2, 1000)};
  marks[1].counts = false;
  EXPECT_EQ(nth(marks, 1), 10U);
  EXPECT_EQ(nth(marks, 2), 0U);
}

TEST(Board, WhatAServerHadReceivedIsGoneWithIt) {
  Board board({"a:1", "b:1"}, {.stored = 1, .received = 2});
  for (std::size_t i = 0; i < 2; ++i) {
    board.update(i, [&](Mark& one) {
      one.log = log_number(static_cast<std::uint8_t>(i + 1));
      one.counts = one.connected = true;
      one.marker.received = 50;
      one.marker.stored = 20;
    });
  }
  EXPECT_EQ(board.received(), 50U);
  board.update(1, [](Mark& one) { one.connected = false; });
  EXPECT_EQ(board.received(), 20U);
  EXPECT_EQ(board.stored(), 20U);
}

TEST(Board, WhatWasSaidOfALogThatIsGoneIsForgotten) {
  Board board({"a:1", "b:1", "c:1"}, {.stored = 2});
  for (std::size_t i = 0; i < 3; ++i)
    board.update(i, [&](Mark& one) { one = mark(i == 2 ? 2 : 1, 100); });
  EXPECT_EQ(board.stored(), 100U);
  EXPECT_TRUE(board.believes(log_number(1)));
  board.log_is(log_number(1), log_number(7), 0);
  EXPECT_EQ(board.stored(), 0U);
  EXPECT_FALSE(board.believes(log_number(1)));
  EXPECT_EQ(board.at(2).marker.stored, 100U);
}

// Its stores were set back: its spares had said more.
TEST(Board, OfOneLogTheNewestWordHolds) {
  Board board({"a:1", "b:1", "c:1"}, {.stored = 2});
  for (std::size_t i = 0; i < 3; ++i)
    board.update(i, [&](Mark& one) { one = mark(i == 2 ? 2 : 1, 100); });
  board.log_is(log_number(1), log_number(1), 40);
  EXPECT_EQ(board.stored(), 40U);
}

TEST(Board, TroublesNameEachServerAndWhy) {
  Board board({"a:1", "b:1", "c:1"}, {});
  board.update(0, [](Mark& one) {
    one.counts = true;
    one.marker.state = ServerState::kSending;
  });
  board.update(1, [](Mark& one) { one.marker.reason = "connection refused"; });
  board.update(2, [](Mark& one) {
    one.marker.state = ServerState::kRefused;
    one.marker.reason = "no";
  });
  EXPECT_EQ(board.troubles(), "b:1: connecting: connection refused; c:1: refused: no");
  EXPECT_EQ(board.sending(), 1U);
}

}  // namespace
}  // namespace tlog::client
