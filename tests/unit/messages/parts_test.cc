// The parts of a log of messages: who is woken by what, what is remembered, who is taken for dead.
#include <gtest/gtest.h>

#include "gateways/messages/heartbeat.h"
#include "gateways/messages/recent.h"
#include "gateways/messages/waiters.h"

namespace tlog::messages {
namespace {

Message message(Sequence id, std::size_t bytes = 10) {
  return {.id = id, .timestamp = id, .text = std::string(bytes, 'x')};
}

TEST(Waiters, OnlyWhoseNodesHaveItAreWoken) {
  Waiters waiters;
  Waiters::Waiter one, two, three;
  waiters.add(5, 1, one);
  waiters.add(5, 2, two);
  waiters.add(6, 2, three);
  waiters.wake([](unsigned nodes) { return Sequence{nodes == 1 ? 9u : 5u}; });
  EXPECT_TRUE(one.done);
  EXPECT_TRUE(two.done);
  EXPECT_FALSE(three.done);
  EXPECT_EQ(waiters.count(), 1u);
}

TEST(Waiters, WhoGivesUpIsNotWoken) {
  Waiters waiters;
  Waiters::Waiter waiter;
  waiters.remove(3, waiters.add(1, 3, waiter));
  waiters.wake([](unsigned) { return Sequence{10}; });
  EXPECT_FALSE(waiter.done);
  EXPECT_EQ(waiters.count(), 0u);
}

TEST(Recent, TheOldestGoFirst) {
  Recent recent(10 * (sizeof(Message) + 10));
  for (Sequence id = 1; id <= 25; ++id) recent.add(message(id));
  EXPECT_FALSE(recent.has(15));
  EXPECT_TRUE(recent.has(16));
  EXPECT_EQ(recent.end(), 25u);
  EXPECT_EQ(recent.at(20).id, 20u);
}

TEST(Recent, WhatNobodyElseHasStays) {
  Recent recent(0);
  for (Sequence id = 1; id <= 5; ++id) recent.add(message(id), 2);
  EXPECT_FALSE(recent.has(2));
  EXPECT_TRUE(recent.has(3));
  EXPECT_TRUE(recent.has(5));
}

TEST(Recent, AGapDropsWhatWasThere) {
  Recent recent(kMiB);
  recent.add(message(1));
  recent.add(message(7));
  EXPECT_FALSE(recent.has(1));
  EXPECT_TRUE(recent.has(7));
}

class Heartbeat : public ::testing::Test {
 protected:
  static constexpr TimestampNs kNow = 1'000'000'000'000;
  NodeState state() const { return health_of(marker_, kNow, {}).state; }
  Heartbeat() {
    marker_.state = client::ServerState::kSending;
    marker_.heard_ns = kNow - 1'000'000;
  }
  client::Marker marker_;
};

TEST_F(Heartbeat, OneThatIsHeardIsHealthy) {
  EXPECT_EQ(state(), NodeState::kHealthy);
  EXPECT_TRUE(is_present(health_of(marker_, kNow, {})));
}

TEST_F(Heartbeat, SilenceMakesSuspicionAndThenIllness) {
  marker_.heard_ns = kNow - 2'000'000'000;
  EXPECT_EQ(state(), NodeState::kSuspected);
  EXPECT_TRUE(is_present(health_of(marker_, kNow, {})));
  marker_.heard_ns = kNow - 6'000'000'000;
  EXPECT_EQ(state(), NodeState::kUnhealthy);
  EXPECT_FALSE(is_present(health_of(marker_, kNow, {})));
}

TEST_F(Heartbeat, ALostConnectionIsSuspectAtOnce) {
  marker_.state = client::ServerState::kConnecting;
  EXPECT_EQ(state(), NodeState::kSuspected);
  marker_.failures = 5;
  EXPECT_EQ(state(), NodeState::kUnhealthy);
}

TEST_F(Heartbeat, OneThatWasNeverThereDoesNotCount) {
  marker_ = client::Marker();
  EXPECT_EQ(state(), NodeState::kSuspected);
  EXPECT_FALSE(is_present(health_of(marker_, kNow, {})));
  marker_.failures = 1;
  EXPECT_EQ(state(), NodeState::kUnhealthy);
}

TEST_F(Heartbeat, OneWhoseLogIsAnotherIsIll) {
  marker_.state = client::ServerState::kRefused;
  EXPECT_EQ(state(), NodeState::kUnhealthy);
}

}  // namespace
}  // namespace tlog::messages
