// Goal: one of several candidates has the key, for as long as its lease lasts and no longer;
// whoever has lost it is told so; nobody puts anything over another's key. Method: a real etcd.
#include "tlog/etcd/election.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/etcd_server.h"
#include "tlog/etcd/writer_record.h"

namespace tlog::etcd {
namespace {

using testing::EtcdServer;
using ::testing::HasSubstr;
using testing::Milliseconds;
using testing::wait_until;

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr Milliseconds kSoon{30'000};

class ElectionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdServer::available()) GTEST_SKIP() << "no etcd";
    server_ = std::make_unique<EtcdServer>();
  }
  Election candidate(Access access = {}) const {
    if (access.endpoints.empty()) access.endpoints = {"http://" + server_->address()};
    return Election(std::move(access), "t/writers/vm1", "t/ended/vm1", 5 * kSecondNs);
  }
  std::unique_ptr<EtcdServer> server_;
};

template <class Value>
Value good(Result<Value> result) {
  EXPECT_TRUE(result) << result.error().message();
  return result ? *std::move(result) : Value{};
}

TEST_F(ElectionTest, one_has_it_until_it_gives_it_back) {
  Election a = candidate();
  Election b = candidate();
  EXPECT_FALSE(good(a.look()).holder);
  const Lease of_a = good(a.grant(60 * kSecondNs));
  EXPECT_GE(of_a.ttl_ns, 60 * kSecondNs);
  const Lease of_b = good(b.grant(60 * kSecondNs));
  EXPECT_TRUE(good(a.campaign(of_a.id, "a", 0)));
  EXPECT_FALSE(good(b.campaign(of_b.id, "b", 0)));
  EXPECT_FALSE(good(b.declare(of_b.id, "b")));
  const Seen seen = good(b.look());
  ASSERT_TRUE(seen.holder);
  EXPECT_EQ(seen.holder->value, "a");
  EXPECT_EQ(seen.holder->lease, of_a.id);
  EXPECT_GT(good(b.time_left(of_a.id)), 50 * kSecondNs);
  EXPECT_TRUE(good(a.declare(of_a.id, "a, epoch 2")));
  EXPECT_TRUE(good(b.wait_for_change(seen.revision, 20 * kSecondNs)));
  EXPECT_EQ(good(b.look()).holder->value, "a, epoch 2");
  ASSERT_TRUE(a.revoke(of_a.id));
  EXPECT_TRUE(a.revoke(of_a.id)) << "what has ended is given back already";
  EXPECT_FALSE(good(b.look()).holder);
  EXPECT_EQ(good(a.keep_alive(of_a.id)), 0U);
  EXPECT_EQ(good(a.time_left(of_a.id)), 0U);
  EXPECT_FALSE(a.campaign(of_a.id, "a", 0)) << "with a lease that is none";
  EXPECT_TRUE(good(b.campaign(of_b.id, "b", 0)));
}

TEST_F(ElectionTest, a_lease_ends_when_nobody_keeps_it_alive) {
  Election a = candidate();
  const Lease lease = good(a.grant(2 * kSecondNs));
  ASSERT_TRUE(good(a.campaign(lease.id, "a", 0)));
  const std::uint64_t revision = good(a.look()).revision;
  EXPECT_GT(good(a.keep_alive(lease.id)), 0U);
  Election b = candidate();
  EXPECT_TRUE(good(b.wait_for_change(revision, 25 * kSecondNs))) << "the end is told";
  EXPECT_FALSE(good(b.look()).holder);
  EXPECT_EQ(good(a.keep_alive(lease.id)), 0U);
}

// Only in place of what was seen.
TEST_F(ElectionTest, the_next_life_takes_the_key_of_the_one_before) {
  Election a = candidate();
  const Lease before = good(a.grant(60 * kSecondNs));
  ASSERT_TRUE(good(a.campaign(before.id, "a", 0)));
  const std::uint64_t seen = good(a.look()).holder->revision;
  ASSERT_TRUE(good(a.declare(before.id, "a, epoch 1")));
  const Lease after = good(a.grant(60 * kSecondNs));
  EXPECT_FALSE(good(a.campaign(after.id, "again", seen))) << "it has changed since";
  EXPECT_TRUE(good(a.campaign(after.id, "again", good(a.look()).holder->revision)));
  ASSERT_TRUE(a.revoke(before.id));
  EXPECT_EQ(good(a.look()).holder->value, "again") << "the old lease does not take it along";
  EXPECT_FALSE(good(a.declare(before.id, "late")));
}

TEST_F(ElectionTest, last_words_stay_and_records_travel) {
  Election a = candidate();
  EXPECT_EQ(good(a.last_words()), "");
  const WriterRecord record{.host = "h\"\xff",
                            .control = "/run/c.sock",
                            .journal = "j",
                            .epoch = 1ULL << 60U,
                            .since = 12};
  ASSERT_TRUE(a.leave_words(encode_writer(record)));
  Election b = candidate();
  const auto read = decode_writer(good(b.last_words()));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->epoch, record.epoch);
  EXPECT_EQ(read->control, record.control);
  EXPECT_FALSE(decode_writer("no JSON"));
  EXPECT_EQ(decode_writer("{\"epoch\":\"x\",\"host\":3}").value_or(WriterRecord{}).host, "");
}

TEST_F(ElectionTest, users_log_in_and_log_in_again) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"user", "add", "root:r"},
           {"user", "grant-role", "root", "root"},
           {"user", "add", "disk:secret"},
           {"role", "add", "disks"},
           {"role", "grant-permission", "disks", "--prefix=true", "readwrite", "t/"},
           {"user", "grant-role", "disk", "disks"},
           {"auth", "enable"}}) {
    (void)server_->ctl(words);
  }
  server_->log_in("root:r");
  const std::vector<std::string> endpoints = {"http://" + server_->address()};
  EXPECT_FALSE(candidate().look()) << "nobody in particular";
  const auto wrong =
      candidate({.endpoints = endpoints, .user = "disk", .password = "guessed"}).look();
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message(), HasSubstr("log in as user 'disk'"));
  EXPECT_EQ(wrong.error().message().find("guessed"), std::string::npos);
  Election a = candidate({.endpoints = endpoints, .user = "disk", .password = "secret"});
  const Lease lease = good(a.grant(60 * kSecondNs));
  EXPECT_TRUE(good(a.campaign(lease.id, "a", 0)));
  // Its token is forgotten.
  server_->kill();
  server_->start();
  EXPECT_TRUE(wait_until([&] { return a.look().has_value(); }, kSoon));
  EXPECT_GT(good(a.keep_alive(lease.id)), 0U);
}

TEST_F(ElectionTest, tls) {
  EtcdServer secure(/*tls=*/true);
  Election a =
      candidate({.endpoints = {"https://" + secure.address()}, .ca_file = secure.ca_file()});
  const Lease lease = good(a.grant(60 * kSecondNs));
  EXPECT_TRUE(good(a.campaign(lease.id, "a", 0)));
  EXPECT_FALSE(candidate({.endpoints = {"https://" + secure.address()}}).look());
}

TEST_F(ElectionTest, what_is_away_is_said_and_waking_ends_everything) {
  Election a = candidate({.endpoints = {"http://127.0.0.1:1", "http://" + server_->address()}});
  const std::uint64_t revision = good(a.look()).revision;
  std::thread waking([&] { a.wake(); });
  EXPECT_EQ(a.wait_for_change(revision, 25 * kSecondNs).error().code(), Code::kShutdown);
  waking.join();
  server_->kill();
  const auto away = candidate().look();
  ASSERT_FALSE(away);
  EXPECT_EQ(away.error().code(), Code::kUnavailable);
  EXPECT_THAT(away.error().message(), HasSubstr(server_->address()));
}

}  // namespace
}  // namespace tlog::etcd
