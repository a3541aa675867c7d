// What a follower finds wrong in a name, its pages and contents, and how far it has come by then.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateways/cas/copy_follower.h"
#include "gateways/cas/publisher.h"
#include "gateways/logset/copy_repository.h"
#include "tests/support/temp_directory.h"
#include "tests/unit/cas_log/frame_logs.h"
#include "tests/unit/cas_log/memory_contents.h"

namespace tlog::testing {
namespace {

using cas::Embed;
using ::testing::AllOf;
using ::testing::HasSubstr;

class Following : public ::testing::Test {
 protected:
  void publish(FrameLogs& log, Embed::Mode mode = Embed::Mode::kNone) {
    cas::Publisher publisher({.log = &log, .is_committed = {}, .to = &there_, .view = nullptr},
                             {.name = kVdiskName, .embed = {.mode = mode, .last = 5}, .cas = {}});
    const auto done = publisher.publish();
    ASSERT_TRUE(done) << done.error().message();
  }
  cas::Page page(const cas::Address& address) {
    return std::move(cas::decode_page(there_.contents().at(address)).value());
  }
  cas::Page head() { return std::move(cas::decode_page(there_.names().at(kVdiskName)).value()); }
  // As a dishonest publisher would: the addresses are right.
  void tell(const cas::Page& page) { there_.names()[kVdiskName] = cas::encode_page(page); }

  void expect_refused(const Status& done, Code code, const std::string& why) {
    ASSERT_FALSE(done) << "expected: " << why;
    EXPECT_EQ(done.error().code(), code) << done.error().message();
    EXPECT_THAT(done.error().message(), AllOf(HasSubstr(why), HasSubstr(kVdiskName)));
  }

  FrameLogs log_;
  MemoryContents there_;
};

TEST_F(Following, a_missing_or_altered_page_is_named) {
  log_.open_epoch(1);
  log_.add_many(1000);
  publish(log_);
  const cas::Address newest = head().tail;
  const cas::Address older = page(newest).tail;
  const std::string kept = there_.contents().at(older);

  there_.contents().erase(older);
  cas::LogIndex index(there_, kVdiskName);
  expect_refused(index.refresh(), Code::kCorruption,
                 "page " + cas::text_of(older) + ", 2 behind the newest: it is missing");
  there_.contents()[older] = kept + "x";
  expect_refused(index.refresh(), Code::kCorruption, "altered");
  there_.contents()[older] = there_.contents().at(newest);
  expect_refused(index.refresh(), Code::kCorruption, "altered");
  there_.contents()[older] = kept;
  EXPECT_TRUE(index.refresh());
  EXPECT_EQ(index.size(), 1001u);
}

TEST_F(Following, reordered_pages_and_pairs_are_found) {
  log_.open_epoch(1);
  log_.add_many(1000);
  publish(log_);
  const cas::Page honest = head();

  cas::Page skips = honest;  // a page is left out
  skips.tail = page(honest.tail).tail;
  tell(skips);
  cas::LogIndex index(there_, kVdiskName);
  expect_refused(index.refresh(), Code::kCorruption, "does not adjoin");

  cas::Page swapped = honest;
  std::swap(swapped.pairs[3], swapped.pairs[4]);
  tell(swapped);
  expect_refused(index.refresh(), Code::kCorruption, "reordered");

  cas::Page newest_page = page(honest.tail);  // the order of pages is another one
  cas::Page older_page = page(newest_page.tail);
  cas::Page below = newest_page;
  below.tail = older_page.tail;
  cas::Page above = older_page;
  above.tail = there_.add(cas::encode_page(below)).value();
  cas::Page turned = honest;
  turned.tail = there_.add(cas::encode_page(above)).value();
  tell(turned);
  const Status done = index.refresh();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), Code::kCorruption) << done.error().message();

  cas::Page cut = honest;  // the log does not begin at its beginning
  cut.tail.clear();
  tell(cut);
  expect_refused(index.refresh(), Code::kCorruption, "does not adjoin");
}

// Both epochs' logs are whole as they are told; what lies between them is not.
TEST_F(Following, a_hole_between_epochs_is_found) {
  log_.open_epoch(1);
  log_.add_many(3);
  const std::uint64_t end = log_.bytes();
  log_.add_many(2);
  log_.open_epoch(2);
  log_.add_many(3);
  publish(log_);
  cas::Page page = head();
  std::erase_if(page.pairs, [&](const cas::PagePair& pair) {
    return pair.piece.epoch == 1 && pair.piece.offset >= end;
  });
  tell(page);
  cas::LogIndex index(there_, kVdiskName);
  expect_refused(index.refresh(), Code::kCorruption, "behind 3");
}

// With addresses that are hashes nobody can make a loop; with other ones anybody can.
TEST_F(Following, a_loop_of_pages_is_found) {
  log_.open_epoch(1);
  log_.add_many(600);
  publish(log_);
  cas::Page newest = head();
  cas::Page looping = page(newest.tail);
  newest.tail = looping.tail = "a place of another service";
  there_.contents()["a place of another service"] = cas::encode_page(looping);
  tell(newest);
  cas::LogIndex index(there_, kVdiskName);
  expect_refused(index.refresh(), Code::kCorruption, "the pages form a loop");
}

// A service whose addresses are no hashes answers ever new ones.
// Reading them may take long: whoever ends the program does not wait for the last of them.
TEST_F(Following, is_stopped_between_two_pages_and_goes_on_another_time) {
  log_.open_epoch(1);
  log_.add_many(1000);
  publish(log_);
  int asked = 0;
  cas::LogIndex index(there_, kVdiskName);
  index.stop_when([&] { return ++asked == 2; });
  expect_refused(index.refresh(), Code::kShutdown, "told to stop, 1 behind the newest page");
  EXPECT_EQ(index.size(), 0u);
  EXPECT_TRUE(index.refresh());
  EXPECT_EQ(index.size(), 1001u);
}

TEST_F(Following, pages_that_do_not_go_back_are_not_followed) {
  log_.open_epoch(1);
  log_.add_many(600);
  publish(log_);
  cas::Page newest = head();
  cas::Page endless = page(newest.tail);
  for (unsigned i = 0; i < 100; ++i) {
    const std::string next = fmt::format("page {}", i + 1);
    endless.tail = next;
    there_.contents()[fmt::format("page {}", i)] = cas::encode_page(endless);
  }
  newest.tail = "page 0";
  tell(newest);
  unsigned gets = 0;
  there_.set_judge([&](std::string_view what) -> Status {
    gets += what == "get" ? 1 : 0;
    return {};
  });
  cas::LogIndex index(there_, kVdiskName);
  expect_refused(index.refresh(), Code::kCorruption, "does not adjoin");
  EXPECT_EQ(gets, 2u);
}

TEST_F(Following, an_older_page_may_tell_some_of_it_too) {
  log_.open_epoch(1);
  log_.add_many(600);
  publish(log_);
  cas::Page newest = head();
  const cas::Page older = page(newest.tail);
  for (std::size_t i = 0; i < 7; ++i) newest.pairs.push_back(older.pairs[i]);
  tell(newest);
  cas::LogIndex index(there_, kVdiskName);
  ASSERT_TRUE(index.refresh());
  ASSERT_EQ(index.size(), 601u);
  for (std::size_t i = 0; i + 1 < index.size(); ++i) {
    ASSERT_TRUE(cas::adjoin(index.piece(i), index.piece(i + 1)));
  }
  newest.pairs.back().piece.hash.bytes[0] ^= 1;
  tell(newest);
  cas::LogIndex anew(there_, kVdiskName);
  expect_refused(anew.refresh(), Code::kCorruption, "not what another page says");
}

// Who reads old pages is not disturbed by the head, and the head's reader not by what it had.
TEST_F(Following, older_pages_stay_readable_while_the_head_moves) {
  for (const Embed::Mode mode : {Embed::Mode::kNone, Embed::Mode::kLast, Embed::Mode::kAll}) {
    FrameLogs log;
    there_.contents().clear();
    there_.names().clear();
    log.open_epoch(1);
    log.add_many(700);
    publish(log, mode);
    cas::LogIndex slow(there_, kVdiskName);
    ASSERT_TRUE(slow.refresh());
    cas::LogIndex steady(there_, kVdiskName);
    for (unsigned round = 0; round < 5; ++round) {
      log.add_many(200);
      publish(log, mode);
      ASSERT_TRUE(steady.refresh());
      ASSERT_EQ(steady.size(), log.last_number() + 1);
    }
    ASSERT_EQ(slow.size(), 701u);
    std::string all;
    for (std::size_t i = 0; i < slow.size(); ++i) {
      const auto content = slow.content(i);
      ASSERT_TRUE(content) << content.error().message();
      all += *content;
    }
    EXPECT_TRUE(log.logs().begin()->second.starts_with(all));
  }
}

TEST_F(Following, a_name_that_tells_something_else_is_not_believed) {
  log_.open_epoch(1);
  log_.add_many(300);
  publish(log_);
  cas::LogIndex index(there_, kVdiskName);
  ASSERT_TRUE(index.refresh());
  const auto kept = there_.names();

  there_.names().clear();
  FrameLogs fork(7, 2);
  fork.open_epoch(1);
  fork.add_many(400);
  publish(fork);
  expect_refused(index.refresh(), Code::kFenced, "another history");

  there_.names().clear();
  FrameLogs other(8);
  other.open_epoch(1);
  publish(other);
  expect_refused(index.refresh(), Code::kFenced, "another history");

  there_.names() = kept;
  cas::Page back = head();
  back.pairs.erase(back.pairs.begin());
  tell(back);
  expect_refused(index.refresh(), Code::kUnavailable, "gone back");
  there_.names()[kVdiskName] = "no page";
  expect_refused(index.refresh(), Code::kCorruption, "page");

  there_.names() = kept;
  ASSERT_TRUE(index.refresh());
  EXPECT_EQ(index.size(), 301u) << "what was refused has left nothing behind";
  log_.add_many(300);
  publish(log_);
  ASSERT_TRUE(index.refresh());
  EXPECT_EQ(index.size(), 601u);
}

// ---- A verified copy ----

class Copying : public Following {
 protected:
  Result<std::uint64_t> follow() {
    TLOG_ASSIGN(const auto copy,
                logset::open_copy_repository(io::system_files(), directory_.path()));
    cas::LogIndex index(there_, kVdiskName);
    cas::CopyFollower follower(
        {&index, copy.get(), [] { return false; }, [](const cas::CopyProgress&) {}});
    return follower.follow();
  }
  std::map<std::string, std::string> copied() {
    std::map<std::string, std::string> logs;
    const auto names = io::system_files().list(directory_.path());
    for (const auto& entry : *names) {
      if (!logset::parse_epoch_log_name(entry.name)) continue;
      logs[entry.name] =
          io::read_file(io::system_files(), directory_.path() + "/" + entry.name, 1 << 30).value();
    }
    return logs;
  }

  TempDirectory directory_;
};

TEST_F(Copying, goes_on_wherever_it_was_interrupted) {
  log_.open_epoch(1);
  log_.add(5 * kMiB);
  log_.add_many(40, 300'000);
  log_.open_epoch(4);
  log_.add_many(20, 300'000);
  publish(log_, Embed::Mode::kLast);
  std::uint64_t taken = 0;
  for (unsigned gets = 10;; gets += 10) {
    unsigned called = 0;
    Mutex mutex;
    there_.set_judge([&](std::string_view what) -> Status {
      MutexLock lock(mutex);
      if (what == "get" && ++called > gets) return fail(Code::kUnavailable, "cut");
      return {};
    });
    const auto came = follow();
    there_.set_judge({});
    for (const auto& [name, bytes] : copied()) ASSERT_TRUE(log_.logs().at(name).starts_with(bytes));
    if (came) {
      taken += *came;
      break;
    }
    ASSERT_EQ(came.error().code(), Code::kUnavailable) << came.error().message();
    ASSERT_LT(gets, 1000u);
  }
  EXPECT_EQ(copied(), log_.logs());
  EXPECT_LT(taken, log_.bytes()) << "the last run had not all to take";
  log_.add_many(3);
  publish(log_, Embed::Mode::kLast);
  const auto came = follow();
  ASSERT_TRUE(came) << came.error().message();
  EXPECT_LT(*came, 2000u);
  EXPECT_EQ(copied(), log_.logs());
}

// Else all that a publisher can think of would have to fit into memory.
TEST_F(Copying, a_frame_without_an_end_is_refused) {
  log_.open_epoch(1);
  log_.add_many(12, 3 * kMiB);
  publish(log_);
  cas::Page endless = head();
  for (std::size_t i = 0; i + 1 < endless.pairs.size(); ++i) endless.pairs[i].piece.number = 1;
  tell(endless);
  const auto refused = follow();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kCorruption);
  EXPECT_THAT(refused.error().message(), HasSubstr("than any has"));
}

// Every address is right; what the page says of the contents is not.
TEST_F(Copying, what_a_page_says_of_a_content_has_to_be_so) {
  log_.open_epoch(1);
  log_.add_many(5, 1000);
  publish(log_);
  const cas::Page told = head();
  const auto refused_with = [&](const std::function<void(cas::Page&)>& change) {
    cas::Page page = told;
    change(page);
    tell(page);
    const auto came = follow();
    EXPECT_FALSE(came);
    return came ? Error(Code::kNotFound, "") : came.error();
  };
  Error refused = refused_with([](cas::Page& page) { page.pairs[2].piece.hash.bytes[0] ^= 1; });
  EXPECT_EQ(refused.code(), Code::kCorruption) << refused.message();
  EXPECT_THAT(refused.message(), HasSubstr("not what its page says"));
  refused = refused_with(
      [](cas::Page& page) { std::swap(page.pairs[1].piece.address, page.pairs[2].piece.address); });
  EXPECT_EQ(refused.code(), Code::kCorruption) << refused.message();
  EXPECT_THAT(refused.message(), HasSubstr("aggregation"));
  refused = refused_with([](cas::Page& page) { page.pairs.back().piece.hash.bytes[0] ^= 1; });
  EXPECT_EQ(refused.code(), Code::kCorruption) << refused.message();
  tell(told);
  EXPECT_TRUE(follow());
  EXPECT_EQ(copied(), log_.logs());
}

TEST_F(Copying, another_vdisk_and_a_name_that_has_gone_back_are_told) {
  log_.open_epoch(1);
  log_.add_many(5, 1000);
  publish(log_);
  const auto older = there_.names();
  log_.add_many(5, 1000);
  publish(log_);
  ASSERT_TRUE(follow());
  const auto newest = there_.names();
  there_.names() = older;
  auto refused = follow();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kUnavailable);
  EXPECT_THAT(refused.error().message(), HasSubstr("gone back"));
  there_.names().clear();
  FrameLogs other(8);
  other.open_epoch(1);
  other.add_many(3);
  publish(other);
  refused = follow();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kFenced);
  EXPECT_THAT(refused.error().message(), HasSubstr(other.vdisk().text()));
  EXPECT_EQ(copied(), log_.logs());
  there_.names() = newest;
  EXPECT_TRUE(follow());
}

TEST_F(Copying, takes_nothing_altered_missing_or_of_another_history) {
  log_.open_epoch(1);
  log_.add_many(30, 100'000);
  publish(log_);
  const cas::Page told = head();
  const cas::Address victim = told.pairs[10].piece.address;  // aggregation 20
  const std::string kept = there_.contents().at(victim);

  there_.contents()[victim][50'000] ^= 1;
  auto refused = follow();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kCorruption);
  EXPECT_THAT(refused.error().message(),
              AllOf(HasSubstr("altered"), HasSubstr(cas::text_of(victim))));
  there_.contents().erase(victim);
  refused = follow();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kCorruption);
  EXPECT_THAT(refused.error().message(), HasSubstr("missing"));
  there_.contents()[victim] = kept;

  // Addresses are right, and so are the pages; only the chain tells.
  FrameLogs fork(7, 2);
  fork.open_epoch(1);
  fork.add_many(30, 100'000);
  MemoryContents elsewhere;
  cas::Publisher publisher({.log = &fork, .to = &elsewhere},
                           {.name = kVdiskName, .embed = {.mode = Embed::Mode::kNone}, .cas = {}});
  ASSERT_TRUE(publisher.publish());
  const auto forked = cas::decode_page(elsewhere.names().at(kVdiskName));
  for (const auto& [address, content] : elsewhere.contents()) ASSERT_TRUE(there_.add(content));
  cas::Page spliced = told;
  std::copy_n(forked->pairs.begin(), 10, spliced.pairs.begin());
  tell(spliced);
  refused = follow();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kFenced) << refused.error().message();
  tell(told);
  const auto came = follow();
  ASSERT_TRUE(came) << came.error().message();
  EXPECT_EQ(copied(), log_.logs());

  there_.names().clear();
  FrameLogs other(7, 3);
  other.open_epoch(1);
  other.add_many(40, 100'001);
  publish(other);
  refused = follow();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kFenced) << refused.error().message();
  EXPECT_EQ(copied(), log_.logs());
}

}  // namespace
}  // namespace tlog::testing
