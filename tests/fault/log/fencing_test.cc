// Goal: of the writers of one vdisk, on hosts that know nothing of each other, one writes at a
// time; whatever was committed by an earlier one is in the log, and nothing that an earlier one
// sends, however late it arrives, changes anything. Method: several writers with connections of
// their own to six real servers, some behind proxies that hold their messages back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <random>

#include "tests/support/fault_proxy.h"
#include "tests/support/log_rig.h"
#include "tests/support/redis_server.h"
#include "tlog/flush/claim.h"
#include "tlog/store/stores.h"

namespace tlog::flush {
namespace {

using testing::FaultProxy;
using ::testing::HasSubstr;
using testing::LogRig;
using testing::LogRigOptions;
using testing::Milliseconds;
using testing::RedisFleet;

constexpr std::uint64_t kMs = 1'000'000;

// A host: its own connections, perhaps through proxies.
class Host {
 public:
  Host(const std::vector<std::string>& servers, std::uint8_t number, bool has_proxies = false) {
    std::vector<std::string> addresses = servers;
    for (std::size_t i = 0; has_proxies && i < servers.size(); ++i) {
      proxies_.push_back(std::make_unique<FaultProxy>(servers[i]));
      addresses[i] = proxies_.back()->address();
    }
    LogRigOptions options;
    options.journal.bytes.fill(number);
    options.open_timeout_ns = 3'000 * kMs;
    options.make_store = [addresses](unsigned index, io::Loop& loop) {
      store::RespStoreOptions store;
      store.address = addresses[index];
      store.vdisk = "vm1";
      store.request_timeout_ns = 2'000 * kMs;
      store.backoff_min_ns = 10 * kMs;
      store.backoff_max_ns = 200 * kMs;
      return std::move(store::open_resp_store(store, loop, null_logger()).value());
    };
    rig_ = std::make_unique<LogRig>(options);
  }
  LogRig* operator->() { return rig_.get(); }
  LogRig& operator*() { return *rig_; }

  void hold_back() {
    for (auto& proxy : proxies_) proxy->set({.black_hole = true});
  }
  void let_go() {
    for (auto& proxy : proxies_) proxy->heal();
  }
  bool is_fenced(unsigned seconds = 20) {
    return rig_->wait_until([&] { return !rig_->writer().status().fenced.empty(); }, seconds);
  }

 private:
  std::vector<std::unique_ptr<FaultProxy>> proxies_;
  std::unique_ptr<LogRig> rig_;
};

class Fencing : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testing::RedisServer::available()) GTEST_SKIP() << "no redis-server";
    fleet_ = std::make_unique<RedisFleet>(6);
  }
  static void open(Host& host) {
    Status opened = host->open_writer();
    ASSERT_TRUE(opened) << opened.error().message();
  }
  // The first writer there is, and what it has committed.
  static void begin(Host& host, unsigned aggregations) {
    const Status begun = host->begin(aggregations);
    ASSERT_TRUE(begun) << begun.error().message();
  }

  std::unique_ptr<RedisFleet> fleet_;
};

// Line 17. Each takes over from the other while that one writes.
TEST_F(Fencing, two_writers_in_turn_lose_nothing_that_was_committed) {
  const std::vector<std::string> servers = fleet_->addresses();
  std::vector<std::unique_ptr<Host>> hosts;
  for (std::uint8_t i = 1; i <= 2; ++i) hosts.push_back(std::make_unique<Host>(servers, i));
  ASSERT_TRUE((*hosts[0])->create());
  open(*hosts[0]);
  std::mt19937_64 random(20'261'121);
  for (unsigned round = 0; round < 200; ++round) {
    SCOPED_TRACE(round);
    Host& before = *hosts[round % 2];
    Host& after = *hosts[(round + 1) % 2];
    before->append(1 + random() % 20);
    if (random() % 3 != 0) before->wait_committed(before->committed() + random() % 4, 2);
    after->adopt(*before);
    open(after);
    if (HasFatalFailure()) return;
    const AggregationNumber taken = after->model().size();
    // What was told as committed before the takeover, and while it went on.
    ASSERT_LE(before->committed(), taken);
    before->append(2);
    ASSERT_TRUE(before.is_fenced());
    before->crash_writer();
    ASSERT_LE(before->committed(), taken);
    after->append(1);
    ASSERT_TRUE(after->wait_committed(taken + 1));
  }
  (*hosts[0])->expect_log_is_model();
}

// Three takeovers, and then everything that the first three have ever sent arrives.
TEST_F(Fencing, late_messages_of_fenced_writers_change_nothing) {
  const std::vector<std::string> servers = fleet_->addresses();
  std::vector<std::unique_ptr<Host>> hosts;
  for (std::uint8_t i = 1; i <= 4; ++i) hosts.push_back(std::make_unique<Host>(servers, i, i < 4));
  ASSERT_TRUE((*hosts[0])->create());
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    SCOPED_TRACE(i);
    Host& host = *hosts[i];
    if (i > 0) host->adopt(**hosts[i - 1]);
    open(host);
    if (HasFatalFailure()) return;
    const AggregationNumber taken = host->model().size();
    for (std::size_t earlier = 0; earlier < i; ++earlier) {
      ASSERT_LE((*hosts[earlier])->committed(), taken);
    }
    // Enough for metadata to be written, too.
    host->append(70);
    ASSERT_TRUE(host->wait_committed(taken + 70));
    host.hold_back();
    host->append(70);  // sent, as far as the network takes it, and on its way for long
  }
  Host& last = *hosts.back();
  for (std::size_t i = 0; i + 1 < hosts.size(); ++i) hosts[i]->let_go();
  for (std::size_t i = 0; i + 1 < hosts.size(); ++i) {
    ASSERT_TRUE(hosts[i]->is_fenced()) << i;
  }
  last->append(10);
  ASSERT_TRUE(last->wait_committed(last->model().size()));
  EXPECT_TRUE(last->writer().status().fenced.empty());
  last->close_writer();
  last->expect_log_is_model();
  auto reader = last->read();
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->metadata().epochs.back().journal.bytes[0], 4);
  EXPECT_EQ((*reader)->metadata().epochs.size(), 4U);
}

// One has read the log and claims, its messages stay on the way, another takes over meanwhile.
TEST_F(Fencing, a_late_claim_closes_nothing_newer) {
  const std::vector<std::string> servers = fleet_->addresses();
  Host first(servers, 1);
  begin(first, 30);
  if (HasFatalFailure()) return;
  for (unsigned round = 0; round < 5; ++round) {
    SCOPED_TRACE(round);
    Host slow(servers, static_cast<std::uint8_t>(10 + round), true);
    auto reader = slow->read();
    ASSERT_TRUE(reader) << reader.error().message();
    const format::Metadata read = (*reader)->metadata();
    const ClaimPlace place{
        .vdisk = "vm1", .stores = slow->stores(), .grants = 5, .least_write_quorum = 4};
    slow.hold_back();
    auto claiming = std::async(std::launch::async, [&] {
      return claim_epoch(place, read, read.epochs.back().epoch + 1, "slow").has_value();
    });
    Host quick(servers, static_cast<std::uint8_t>(20 + round));
    quick->adopt(*first);
    open(quick);
    if (HasFatalFailure()) return;
    const AggregationNumber taken = quick->model().size();
    quick->append(5);
    ASSERT_TRUE(quick->wait_committed(taken + 5));
    slow.let_go();
    EXPECT_FALSE(claiming.get());
    quick->append(5);
    ASSERT_TRUE(quick->wait_committed(taken + 10));
    EXPECT_TRUE(quick->writer().status().fenced.empty());
    quick->close_writer();
    quick->expect_log_is_model();
    first->crash_writer();
    first->adopt(*quick);
    open(first);
    if (HasFatalFailure()) return;
  }
}

// Which cluster has the active blocks is the newest writer's to say: a fenced one is told so, and
// what it has sent is not read by anybody.
TEST_F(Fencing, a_fenced_writer_does_not_move_the_active_blocks) {
  const std::vector<std::string> servers = fleet_->addresses();
  Host first(servers, 1);
  begin(first, 5);
  if (HasFatalFailure()) return;
  const format::BlockPlace placed{
      .cluster = "standby", .switches = 1, .epoch = 1, .sequence = 5, .since = 1000};
  Status placing = first->writer().place_blocks(placed, 20'000 * kMs);
  ASSERT_TRUE(placing) << placing.error().message();
  Host second(servers, 2);
  second->adopt(*first);
  open(second);
  if (HasFatalFailure()) return;
  auto wrong = placed;
  wrong.cluster = "primary";
  wrong.switches = 2;
  placing = first->writer().place_blocks(wrong, 20'000 * kMs);
  ASSERT_FALSE(placing);
  EXPECT_EQ(placing.error().code(), Code::kFenced) << placing.error().message();
  placing = first->writer().place_blocks(wrong, 20'000 * kMs);  // and afterwards
  ASSERT_FALSE(placing);
  EXPECT_EQ(placing.error().code(), Code::kFenced) << placing.error().message();
  EXPECT_THAT(placing.error().message(), HasSubstr("taken the vdisk over"));
  second->close_writer();
  auto reader = second->read();
  ASSERT_TRUE(reader) << reader.error().message();
  EXPECT_EQ((*reader)->metadata().blocks, placed);
}

// Both at once: one of them, or one after the other, or they are in each other's way; never both.
TEST_F(Fencing, two_that_claim_at_once_are_never_both_the_writer) {
  const std::vector<std::string> servers = fleet_->addresses();
  Host one(servers, 1);
  Host two(servers, 2);
  ASSERT_TRUE(one->create());
  unsigned won = 0;
  for (unsigned round = 0; round < 30; ++round) {
    SCOPED_TRACE(round);
    auto other = std::async(std::launch::async, [&] { return two->open_writer(); });
    const bool first = one->open_writer().has_value();
    const bool second = other.get().has_value();
    if (!first && !second) continue;
    Host& owner = !second || (first && one->writer().epoch() > two->writer().epoch()) ? one : two;
    Host& loser = &owner == &one ? two : one;
    owner->append(3);
    ASSERT_TRUE(owner->wait_until([&] {
      return owner->committed() == owner->model().size() ||
             !owner->writer().status().fenced.empty();
    }));
    if (first && second) {
      loser->append(1);
      EXPECT_TRUE(loser.is_fenced());
      EXPECT_LT(loser->committed(), loser->model().size());
      loser->crash_writer();
    }
    won += owner->writer().status().fenced.empty();
    owner->close_writer();
    loser->adopt(*owner);
    // What was not committed may be there or not.
    auto reader = loser->read();
    ASSERT_TRUE(reader) << reader.error().message();
    ASSERT_GE((*reader)->head().number, owner->committed());
    loser->keep((*reader)->head().number);
    owner->adopt(*loser);
    loser->expect_log_is_model();
  }
  EXPECT_GT(won, 0U);
}

TEST_F(Fencing, who_writes_nothing_learns_of_it_too) {
  Host idle(fleet_->addresses(), 1);
  begin(idle, 3);
  if (HasFatalFailure()) return;
  Host other(fleet_->addresses(), 2);
  other->adopt(*idle);
  open(other);
  ASSERT_TRUE(idle.is_fenced());
  EXPECT_THAT(idle->writer().status().fenced, HasSubstr("02020202-0202"));
}

// Who began to take over and failed has closed fewer than it needs.
TEST_F(Fencing, one_closed_server_is_only_one_less) {
  Host host(fleet_->addresses(), 1);
  begin(host, 3);
  if (HasFatalFailure()) return;
  (*fleet_)[2].command({"HSETNX", "tlog:vm1:ctl", "closed:1", "somebody"});
  host->append(20);
  ASSERT_TRUE(host->wait_committed(23));
  ASSERT_TRUE(host->wait_until(
      [&] { return host->inner(2).status().state == store::StoreState::kFenced; }));
  EXPECT_TRUE(host->writer().status().fenced.empty());
  (*fleet_)[4].command({"HSETNX", "tlog:vm1:ctl", "closed:1", "somebody"});
  host->append(5);
  ASSERT_TRUE(host.is_fenced());
  EXPECT_THAT(host->writer().status().fenced, HasSubstr("somebody"));
  EXPECT_LT(host->committed(), 28U);
}

// A server that was away at two takeovers takes part again, and knows of both.
TEST_F(Fencing, a_server_that_was_away_gets_the_marks) {
  Host first(fleet_->addresses(), 1);
  begin(first, 3);
  if (HasFatalFailure()) return;
  (*fleet_)[5].pause();
  Host second(fleet_->addresses(), 2);
  second->adopt(*first);
  open(second);
  Host third(fleet_->addresses(), 3);
  third->adopt(*second);
  open(third);
  (*fleet_)[5].resume();
  ASSERT_TRUE(third->wait_until([&] {
    return (*fleet_)[5].command({"HEXISTS", "tlog:vm1:ctl", "claim:3"}) == "1";
  }));
  EXPECT_EQ((*fleet_)[5].command({"HEXISTS", "tlog:vm1:ctl", "closed:1"}), "1");
  EXPECT_EQ((*fleet_)[5].command({"HEXISTS", "tlog:vm1:ctl", "closed:2"}), "1");
  EXPECT_TRUE(first.is_fenced());
  EXPECT_TRUE(second.is_fenced());
}

// R7: what can be read of the end, but is on too few servers, is brought to a quorum first.
TEST_F(Fencing, the_end_of_the_log_is_secured_before_anything_is_written_behind_it) {
  Host first(fleet_->addresses(), 1);
  begin(first, 10);
  if (HasFatalFailure()) return;
  first->crash_writer();
  // As if the writer had died while the tenth was on four servers only.
  const std::string key = first->key(10);
  (*fleet_)[1].command({"DEL", key});
  (*fleet_)[3].command({"DEL", key});
  Host second(fleet_->addresses(), 2);
  second->adopt(*first);
  open(second);
  unsigned present = 0;
  for (std::size_t i = 0; i < 6; ++i) present += (*fleet_)[i].command({"EXISTS", key}) == "1";
  EXPECT_GE(present, 5U);
  second->append(1);
  ASSERT_TRUE(second->wait_committed(11));
  second->close_writer();
  second->expect_log_is_model();
}

// Three have it, two have forgotten whether they had: perhaps it was committed, perhaps not.
TEST_F(Fencing, undecided_tail_is_never_truncated_silently) {
  Host first(fleet_->addresses(), 1);
  begin(first, 10);
  if (HasFatalFailure()) return;
  first->crash_writer();
  for (unsigned i = 0; i < 6; ++i) {
    const std::string key = first->key(10);
    if (i < 2) (*fleet_)[i].command({"FLUSHALL"});
    if (i == 2) (*fleet_)[i].command({"DEL", key});
  }
  Host second(fleet_->addresses(), 2);
  second->adopt(*first);
  Status opened = second->open_writer();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Code::kUnavailable);
  EXPECT_THAT(opened.error().message(), HasSubstr("undecided"));
  EXPECT_EQ((*fleet_)[3].command({"EXISTS", first->key(10)}), "1") << "nothing is cut";
  opened = second->open_writer(/*accept_loss=*/true);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(second->model().size(), 9U);
  second->append(3);
  ASSERT_TRUE(second->wait_committed(12));
  second->close_writer();
  second->expect_log_is_model();
}

TEST_F(Fencing, too_few_reachable_servers_are_named_and_nothing_is_claimed) {
  Host first(fleet_->addresses(), 1);
  begin(first, 3);
  if (HasFatalFailure()) return;
  for (std::size_t i : {0U, 1U}) (*fleet_)[i].kill();
  Host second(fleet_->addresses(), 2);
  second->adopt(*first);
  Status opened = second->open_writer();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Code::kUnavailable);
  EXPECT_THAT(opened.error().message(), HasSubstr((*fleet_)[0].address()));
  for (std::size_t i : {0U, 1U}) (*fleet_)[i].start();
}

}  // namespace
}  // namespace tlog::flush
