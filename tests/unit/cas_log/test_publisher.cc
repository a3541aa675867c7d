// A log in a content-addressed store: what the name leads to, whenever its publisher is killed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "gateways/cas/log_index.h"
#include "gateways/cas/publisher.h"
#include "tests/unit/cas_log/frame_logs.h"
#include "tests/unit/cas_log/memory_contents.h"

namespace tlog::testing {
namespace {

using cas::Embed;
using ::testing::HasSubstr;

cas::Publisher publisher_of(FrameLogs& log, cas::Contents& to, Embed embed = {},
                            cas::PublishedView* view = nullptr) {
  return cas::Publisher({.log = &log, .is_committed = {}, .to = &to, .view = view},
                        {.name = kVdiskName, .embed = embed, .cas = {}});
}

// All of the log, put together from the name alone.
std::map<std::string, std::string> followed(cas::Contents& from) {
  cas::LogIndex index(from, kVdiskName);
  std::map<std::string, std::string> logs;
  if (Status read = index.refresh(); !read) {
    EXPECT_EQ(read.error().code(), Code::kNotFound) << read.error().message();
    return logs;
  }
  for (std::size_t i = 0; i < index.size(); ++i) {
    const auto content = index.content(i);
    EXPECT_TRUE(content) << content.error().message();
    if (content) logs[logset::epoch_log_name(index.head().vdisk, index.piece(i).epoch)] += *content;
  }
  return logs;
}

class PublishModes : public ::testing::TestWithParam<Embed> {};

TEST_P(PublishModes, the_name_leads_to_all_of_the_log_while_it_grows) {
  FrameLogs log;
  MemoryContents there;
  auto publisher = publisher_of(log, there, GetParam());
  ASSERT_TRUE(publisher.publish());
  EXPECT_TRUE(there.names().empty()) << "there is nothing to tell of";
  for (Epoch epoch = 1; epoch <= 3; ++epoch) {
    log.open_epoch(epoch * 2);
    for (const unsigned count : {1u, 4u, 300u, 700u, 1u}) {
      log.add_many(count);
      const auto done = publisher.publish();
      ASSERT_TRUE(done) << done.error().message();
      EXPECT_TRUE(done->moved);
      ASSERT_EQ(followed(there), log.logs());
    }
  }
  const auto again = publisher.publish();
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->moved);
  EXPECT_EQ(again->bytes, 0u);
}

TEST_P(PublishModes, what_is_too_long_for_one_content_is_cut) {
  FrameLogs log;
  MemoryContents there;
  auto publisher = publisher_of(log, there, GetParam());
  log.open_epoch(1);
  for (const std::size_t bytes :
       {std::size_t{100}, 9 * kMiB, 3 * kMiB, std::size_t{16} * kMiB, std::size_t{100}}) {
    log.add(bytes);
    const auto done = publisher.publish();
    ASSERT_TRUE(done) << done.error().message();
    ASSERT_TRUE(followed(there) == log.logs());
  }
  for (const auto& [address, content] : there.contents()) {
    EXPECT_LE(content.size(), cas::kContentBytesMax);
    EXPECT_EQ(address, cas::address_of(content));
  }
  EXPECT_LE(there.names().at(kVdiskName).size(), cas::kContentBytesMax);
}

// Wherever it is killed: a reader finds all that the name tells of, and the next publisher goes on.
TEST_P(PublishModes, killed_at_any_call_the_name_never_leads_to_what_is_not_there) {
  for (unsigned killed_at = 0;; ++killed_at) {
    FrameLogs log;
    MemoryContents there;
    log.open_epoch(1);
    unsigned calls = 0;
    bool is_over = false;
    for (const unsigned count : {3u, 270u, 5u}) {
      log.add_many(count);
      auto publisher = publisher_of(log, there, GetParam());
      there.set_judge([&](std::string_view) -> Status {
        if (is_over || calls++ == killed_at) {
          is_over = true;
          return fail(Code::kUnavailable, "killed");
        }
        return {};
      });
      const auto done = publisher.publish();
      there.set_judge({});
      const bool was_killed = std::exchange(is_over, false);
      ASSERT_EQ(!done, was_killed);
      const auto seen = followed(there);
      if (done) {
        ASSERT_EQ(seen, log.logs());
      }
      for (const auto& [name, bytes] : seen) {
        ASSERT_TRUE(log.logs().at(name).starts_with(bytes)) << "killed at call " << killed_at;
      }
      if (was_killed) calls = killed_at + 1;
    }
    ASSERT_TRUE(publisher_of(log, there, GetParam()).publish());
    ASSERT_EQ(followed(there), log.logs());
    // Each third call is enough for the many in the middle.
    if (calls <= killed_at) break;
    if (killed_at > 10) killed_at += 2;
  }
}

// The store is away for a while, at any call: the same publisher goes on.
TEST_P(PublishModes, goes_on_after_any_failed_call) {
  FrameLogs log;
  MemoryContents there;
  log.open_epoch(1);
  auto publisher = publisher_of(log, there, GetParam());
  SeededRandom random(3);
  unsigned failed = 0;
  for (unsigned round = 0; round < 40; ++round) {
    if (round % 7 == 0) log.add(5 * kMiB);
    log.add_many(30);
    unsigned left = static_cast<unsigned>(random.next() % 60);
    there.set_judge([&](std::string_view) -> Status {
      if (left-- == 0) return fail(Code::kUnavailable, "away");
      return {};
    });
    if (!publisher.publish()) ++failed;
    there.set_judge({});
    for (const auto& [name, bytes] : followed(there)) {
      ASSERT_TRUE(log.logs().at(name).starts_with(bytes)) << "round " << round;
    }
  }
  const auto done = publisher.publish();
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_TRUE(followed(there) == log.logs());
  EXPECT_TRUE(GetParam().mode == Embed::Mode::kAll || failed > 5);
}

// What a long first round has brought there is not brought again after a kill.
TEST_P(PublishModes, the_name_moves_with_each_page) {
  FrameLogs log;
  MemoryContents there;
  log.open_epoch(1);
  log.add_many(2000);
  unsigned moves = 0;
  there.set_judge([&](std::string_view what) -> Status {
    moves += what == "update" ? 1 : 0;
    return {};
  });
  ASSERT_TRUE(publisher_of(log, there, GetParam()).publish());
  EXPECT_GE(moves, 5u);
}

INSTANTIATE_TEST_SUITE_P(Modes, PublishModes,
                         ::testing::Values(Embed{.mode = Embed::Mode::kAll},
                                           Embed{.mode = Embed::Mode::kLast, .last = 5},
                                           Embed{.mode = Embed::Mode::kLast, .last = 400},
                                           Embed{.mode = Embed::Mode::kNone}));

TEST(Publisher, embeds_as_many_as_it_was_told) {
  FrameLogs log;
  log.open_epoch(1);
  log.add_many(600);
  const auto embedded = [&](const Embed& embed) {
    MemoryContents there;
    EXPECT_TRUE(publisher_of(log, there, embed).publish());
    const auto head = cas::decode_page(there.names().at(kVdiskName));
    EXPECT_TRUE(head);
    std::size_t count = 0;
    for (const auto& pair : head->pairs) {
      const bool is_newest = &pair - head->pairs.data() < static_cast<std::ptrdiff_t>(count) + 1;
      if (!pair.data.empty() && is_newest) ++count;
    }
    return std::pair(count, head->pairs.size());
  };
  EXPECT_EQ(embedded({.mode = Embed::Mode::kLast, .last = 5}).first, 5u);
  EXPECT_EQ(embedded({.mode = Embed::Mode::kLast, .last = 1}).first, 1u);
  EXPECT_EQ(embedded({.mode = Embed::Mode::kNone}).first, 0u);
  const auto [all, of] = embedded({.mode = Embed::Mode::kAll});
  EXPECT_EQ(all, of);
}

// Two publishers of one log, at any time, make the same pages: nothing is stored twice.
TEST(Publisher, pages_are_cut_by_the_log_alone) {
  FrameLogs log;
  log.open_epoch(1);
  MemoryContents one;
  MemoryContents other;
  auto publisher = publisher_of(log, one);
  for (unsigned i = 0; i < 900; i += 9) {
    log.add_many(9);
    ASSERT_TRUE(publisher.publish());
  }
  ASSERT_TRUE(publisher_of(log, other).publish());
  EXPECT_EQ(one.names(), other.names());
  EXPECT_EQ(one.contents(), other.contents());
}

TEST(Publisher, changes_its_mode_on_the_way) {
  FrameLogs log;
  log.open_epoch(1);
  MemoryContents there;
  for (const Embed& embed : {Embed{.mode = Embed::Mode::kAll}, Embed{.mode = Embed::Mode::kNone},
                             Embed{}, Embed{.mode = Embed::Mode::kAll}, Embed{}}) {
    log.add_many(200, 5000);
    ASSERT_TRUE(publisher_of(log, there, embed).publish());
    ASSERT_EQ(followed(there), log.logs());
  }
}

// What one mode has embedded alone stays where it is: with what the next one embeds the name's page
// must not become too long for any service.
TEST(Publisher, changes_its_mode_when_the_page_is_full_of_contents) {
  FrameLogs log;
  log.open_epoch(1);
  MemoryContents there;
  const Embed many{.mode = Embed::Mode::kLast, .last = 400};
  const Embed all{.mode = Embed::Mode::kAll};
  for (const Embed& embed : {all, many, many, all, Embed{.mode = Embed::Mode::kNone}, many}) {
    log.add_many(29, 100'000);
    const auto done = publisher_of(log, there, embed).publish();
    ASSERT_TRUE(done) << done.error().message();
    ASSERT_LE(there.names().at(kVdiskName).size(), cas::kContentBytesMax);
    ASSERT_TRUE(followed(there) == log.logs());
  }
}

// A first round may take hours.
TEST(Publisher, stops_in_the_middle_of_a_round_and_goes_on_from_there) {
  FrameLogs log;
  log.open_epoch(1);
  log.add_many(1000);
  MemoryContents there;
  unsigned asked = 0;
  cas::Publisher publisher({.log = &log,
                            .is_committed = {},
                            .to = &there,
                            .view = nullptr,
                            .stopping = [&] { return ++asked > 600; }},
                           {.name = kVdiskName, .embed = {}, .cas = {}});
  const auto stopped = publisher.publish();
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), Code::kShutdown);
  EXPECT_LT(there.contents().size(), 700u);
  unsigned adds = 0;
  there.set_judge([&](std::string_view what) -> Status {
    adds += what == "add" ? 1 : 0;
    return {};
  });
  asked = 0;
  ASSERT_TRUE(publisher.publish());
  EXPECT_LT(adds, 800u) << "what the name had told of was brought there again";
  EXPECT_TRUE(followed(there) == log.logs());
}

// Everything is in the log: what was lost of pages and names is made again by who begins next.
TEST(Publisher, makes_again_what_was_lost) {
  FrameLogs log;
  log.open_epoch(1);
  log.add_many(1000);
  MemoryContents there;
  ASSERT_TRUE(publisher_of(log, there).publish());
  const auto whole = there.contents();
  const auto name = there.names();

  const cas::Address lost = cas::decode_page(name.at(kVdiskName))->tail;
  there.contents().erase(lost);
  unsigned moves = 0;
  there.set_judge([&](std::string_view what) -> Status {
    moves += what == "update" ? 1 : 0;
    return {};
  });
  ASSERT_TRUE(publisher_of(log, there).publish());
  EXPECT_EQ(there.contents(), whole);
  EXPECT_LE(moves, 1u) << "the name goes back while pages are made again";

  bool is_damaged = true;  // the name, until it is updated
  there.set_judge([&](std::string_view what) -> Status {
    if (what == "update") is_damaged = false;
    if (what == "fetch" && is_damaged) return fail(Code::kCorruption, "its checksum is wrong");
    return {};
  });
  ASSERT_TRUE(publisher_of(log, there).publish());
  there.set_judge({});
  EXPECT_EQ(followed(there), log.logs());

  // Seen through a view that has not offered all again yet, nothing is missing.
  cas::PublishedView view(there);
  auto behind_view = publisher_of(log, there, {}, &view);
  there.contents().clear();
  there.set_judge([&](std::string_view what) -> Status {
    if (what != "update") return {};
    EXPECT_EQ(view.get(cas::address_of("nothing of it")).error().code(), Code::kUnavailable);
    return {};
  });
  ASSERT_TRUE(behind_view.publish());
  there.set_judge({});
  EXPECT_EQ(followed(view), log.logs());
  EXPECT_EQ(view.get(cas::address_of("nothing of it")).error().code(), Code::kNotFound);

  there.names()[kVdiskName] = "";  // somebody wants it anew
  there.contents().clear();
  ASSERT_TRUE(publisher_of(log, there).publish());
  EXPECT_EQ(followed(there), log.logs());
}

TEST(Publisher, refuses_a_name_of_another_history) {
  FrameLogs log;
  log.open_epoch(1);
  log.add_many(10);
  MemoryContents there;
  ASSERT_TRUE(publisher_of(log, there).publish());
  const auto told = there.names();

  FrameLogs other(8);
  other.open_epoch(1);
  auto refused = publisher_of(other, there).publish();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kFenced);
  EXPECT_THAT(refused.error().message(), HasSubstr(other.vdisk().text()));

  FrameLogs fork(7, 2);  // the same vdisk, written otherwise
  fork.open_epoch(1);
  fork.add_many(12);
  refused = publisher_of(fork, there).publish();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kFenced);
  EXPECT_THAT(refused.error().message(), HasSubstr("another history"));

  log.take_back();  // an older copy of the log
  refused = publisher_of(log, there).publish();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kFenced);
  EXPECT_EQ(there.names(), told);
}

// The log's bytes stay where they are; the store has pages and names only.
TEST(PublishedView, gets_contents_from_the_log) {
  FrameLogs log;
  log.open_epoch(1);
  log.add_many(600, 2000);
  MemoryContents behind;
  cas::PublishedView view(behind);
  auto publisher = publisher_of(log, behind, {.mode = Embed::Mode::kNone}, &view);
  ASSERT_TRUE(publisher.publish());
  EXPECT_EQ(followed(view), log.logs());
  std::size_t stored = behind.names().at(kVdiskName).size();
  for (const auto& [address, content] : behind.contents()) stored += content.size();
  EXPECT_LT(stored, log.bytes() / 10);

  // After a restart too.
  cas::PublishedView anew(behind);
  auto next = publisher_of(log, behind, {.mode = Embed::Mode::kNone}, &anew);
  log.add_many(3);
  ASSERT_TRUE(next.publish());
  EXPECT_EQ(followed(anew), log.logs());

  // Before the log could be looked at, nobody is told that something is not there.
  cas::PublishedView early(behind);
  auto late = publisher_of(log, behind, {.mode = Embed::Mode::kNone}, &early);
  const cas::Address some = cas::decode_page(behind.names().at(kVdiskName))->pairs[0].piece.address;
  for (const cas::Address& address : {some, cas::address_of("no such content")}) {
    const auto got = early.get(address);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code(), Code::kUnavailable);
  }
  ASSERT_TRUE(late.publish());
  EXPECT_TRUE(early.get(some));
  const auto none = early.get(cas::address_of("no such content"));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Code::kNotFound);

  const Status stolen = anew.update(kVdiskName, "mine");
  ASSERT_FALSE(stolen);
  EXPECT_EQ(stolen.error().code(), Code::kNotSupported);
  EXPECT_TRUE(anew.update("another", "mine"));
}

}  // namespace
}  // namespace tlog::testing
