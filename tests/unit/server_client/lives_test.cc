// Goal: whatever a writer left at one server when it died, the next ones take nothing for wrong
// that was acknowledged, and go on behind all of it. Method: lives of an application that keeps no
// journal, each ended at once, with another server away in each.
#include "tests/support/test_clock.h"
#include "tests/unit/server_client/rigged.h"
#include "tlog/base/random.h"

namespace tlog::testing {
namespace {

using client::ServerState;

class LivesTest : public Rigged {
 protected:
  ~LivesTest() override { die(); }

  client::ClientOptions life_options(unsigned stored) const {
    client::ClientOptions wanted = options(stored);
    wanted.journal = system_random().next_uuid();
    wanted.take_over = true;
    return wanted;
  }
  // Of the application; the one before has died.
  Status live(unsigned stored, std::uint64_t timeout_ns = 60'000'000'000) {
    die();
    ++lives;
    life_log = std::make_unique<client::MemoryLog>(client::MemoryLog::Options{.clock = life_clock});
    client::LogClient::Parts parts = rig.parts();
    parts.on_stored = [this](Sequence sequence) { life_log->stored(sequence); };
    TLOG_ASSIGN(life, client::LogClient::open(life_options(stored), parts, timeout_ns));
    life_log->begin_behind(life->head());
    life->start(*life_log, 0);
    return {};
  }
  void die() {
    if (!life) return;
    life->close(0);
    life.reset();
  }
  std::string said(Sequence sequence) const {
    return "life " + std::to_string(lives) + " record " + std::to_string(sequence);
  }
  void append(std::uint64_t count) {
    for (; count > 0; --count) {
      const std::string text = said(life_log->end() + 1);
      ASSERT_TRUE(life_log->append(bytes_of(std::string_view(text)), 60'000'000'000));
      life->more();
    }
  }
  bool is_stored(Sequence sequence) {
    return eventually([&] { return life->stored() >= sequence; });
  }
  bool has(std::size_t index, Sequence count) {
    return eventually([&] { return server(index).stored().size() == count; });
  }
  bool tells(std::size_t index, ServerState state, std::string_view reason) {
    return eventually([&] {
      const client::Marker marker = life->markers()[index];
      return marker.state == state && marker.reason.find(reason) != std::string::npos;
    });
  }
  void stop(std::initializer_list<std::size_t> which) {
    for (const std::size_t i : which) server(i).stop();
  }
  void start(std::initializer_list<std::size_t> which) {
    for (const std::size_t i : which) server(i).start();
  }
  // The first server has 91 to 100 of the first life alone; the two others have acknowledged 91 to
  // 95 of the second one.
  void two_lives() {
    make_servers(3);
    ASSERT_TRUE(live(2));
    append(90);
    ASSERT_TRUE(is_stored(90));
    for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(has(i, 90));
    stop({1, 2});
    append(10);
    ASSERT_TRUE(has(0, 100));
    die();
    stop({0});
    start({1, 2});
    ASSERT_TRUE(live(2));
    ASSERT_EQ(life->head().sequence, 90U);
    append(5);
    ASSERT_TRUE(is_stored(95));
    for (std::size_t i = 1; i < 3; ++i) ASSERT_TRUE(has(i, 95));
    die();
  }
  void the_first_comes_late() {
    two_lives();
    ASSERT_TRUE(live(2));
    ASSERT_EQ(life->head().sequence, 95U);
    append(20);
    ASSERT_TRUE(is_stored(115));
    start({0});
    EXPECT_TRUE(tells(0, ServerState::kRefused, "never acknowledged"));
    append(5);
    EXPECT_TRUE(is_stored(120));
    EXPECT_EQ(server(0).stored().size(), 100U);
  }
  void the_third_goes_on() {
    ASSERT_EQ(life->head().sequence, 95U);
    append(5);
    ASSERT_TRUE(is_stored(100)) << life->waiting_for();
    for (std::size_t i = 1; i < 3; ++i) {
      ASSERT_TRUE(has(i, 100)) << rig.logger.lines();
      const auto entries = server(i).stored();
      EXPECT_EQ(entries[90].data, "life 2 record 91");
      EXPECT_EQ(entries[99].data, said(100));
    }
    EXPECT_TRUE(tells(0, ServerState::kRefused, "never acknowledged"));
    EXPECT_EQ(server(0).stored().size(), 100U);
    EXPECT_EQ(server(0).stored()[99].data, "life 1 record 100");
    die();
  }

  int lives = 0;
  const Clock* life_clock = nullptr;
  std::unique_ptr<client::MemoryLog> life_log;
  std::unique_ptr<client::LogClient> life;
};

TEST_F(LivesTest, TheLongestLogIsNotTheRightOne) {
  two_lives();
  start({0});
  const Status lived = live(2);
  ASSERT_TRUE(lived) << lived.error().message();
  the_third_goes_on();
}

// Nor do times tell: clocks are set back, and a log's times stand still then.
TEST_F(LivesTest, TheLongestLogIsNotTheRightOneWhateverTheClocks) {
  TestClock stands(TestClock::Kind::kStands);
  life_clock = &stands;
  two_lives();
  start({0});
  const Status lived = live(2);
  ASSERT_TRUE(lived) << lived.error().message();
  the_third_goes_on();
}

// It may have had either of the two.
TEST_F(LivesTest, AnEmptiedServerDecidesNothing) {
  two_lives();
  server(2).call([&] { logs[2]->empty(); });
  start({0});
  const Status lived = live(2, 500'000'000);
  ASSERT_FALSE(lived) << "with " << life->head().sequence;
  EXPECT_EQ(lived.error().message().find("empty the stores"), std::string::npos)
      << lived.error().message();
}

TEST_F(LivesTest, WhenItCannotBeToldBothAreNamedAndNothingIsRefused) {
  two_lives();
  start({0});
  stop({2});
  const Status lived = live(2, 500'000'000);
  ASSERT_FALSE(lived) << "with " << life->head().sequence;
  EXPECT_EQ(lived.error().code(), Code::kUnavailable);
  for (const std::string& what : {server(0).address() + " (up to 100)",
                                  server(1).address() + " (up to 95)", server(2).address()}) {
    EXPECT_NE(lived.error().message().find(what), std::string::npos) << lived.error().message();
  }
  EXPECT_EQ(lived.error().message().find("never acknowledged"), std::string::npos);
  const std::uint64_t before = server(0).reads();
  std::thread later([&] {
    EXPECT_TRUE(eventually([&] { return server(0).reads() > before; }));
    start({2});
  });
  const Status at_last = live(2);
  later.join();
  ASSERT_TRUE(at_last) << at_last.error().message();
  the_third_goes_on();
}

TEST_F(LivesTest, TwoAgainstTwoAreNotDecided) {
  make_servers(4);
  ASSERT_TRUE(live(2));
  append(10);
  for (std::size_t i = 0; i < 4; ++i) ASSERT_TRUE(has(i, 10));
  die();
  for (std::size_t i = 0; i < 4; ++i) {
    server(i).call([&] {
      for (int more = 0; more < (i < 2 ? 3 : 2); ++more)
        logs[i]->stored.push_back({0, logs[i]->stored.back().timestamp, i < 2 ? "one" : "other"});
    });
  }
  const Status lived = live(2);
  ASSERT_FALSE(lived);
  EXPECT_EQ(lived.error().code(), Code::kCorruption) << lived.error().message();
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_NE(lived.error().message().find(server(i).address()), std::string::npos);
}

TEST_F(LivesTest, WhatCannotBeReadIsAskedForAgain) {
  two_lives();
  start({0});
  server(1).script({.spoils = true});
  server(2).script({.die = FakeMoment::kRead});
  std::thread later([&] {
    EXPECT_TRUE(eventually([&] { return rig.logger.has("event=compare-failed"); }));
    server(1).script({});
  });
  const Status lived = live(2);
  later.join();
  ASSERT_TRUE(lived) << lived.error().message();
  the_third_goes_on();
}

// It comes when the others have gone on.
TEST_F(LivesTest, WhoComesLateWithAnotherHistoryIsLeftOut) {
  the_first_comes_late();
}

TEST_F(LivesTest, WhoComesLateWithAnotherHistoryIsLeftOutWhateverTheClocks) {
  TestClock stands(TestClock::Kind::kStands);
  life_clock = &stands;
  the_first_comes_late();
  die();
}

}  // namespace
}  // namespace tlog::testing
