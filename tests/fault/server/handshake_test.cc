// How a session begins, who is refused, and who has the vdisk when two want it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <list>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/fault/server/server_rig.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;

TEST(Handshake, a_writer_is_told_what_is_in_force) {
  ServerRig rig;
  protocol::Hello hello = rig.hello();
  hello.settings = {.flush_size = 10, .flush_time_ns = 0, .write_quorum = 6, .slave_sync = true};
  SessionClient client(rig.address(), hello);
  const protocol::Welcome& welcome = client.enter();
  EXPECT_EQ(welcome.version, protocol::kVersion);
  EXPECT_TRUE(welcome.created);
  EXPECT_EQ(welcome.epoch, 1u);
  EXPECT_EQ(welcome.received, 0u);
  EXPECT_EQ(welcome.format.name, "vm1");
  EXPECT_EQ(welcome.format.data_shards, 4);
  EXPECT_EQ(welcome.settings.flush_size, 10u);
  EXPECT_EQ(welcome.settings.flush_time_ns, 25'000'000'000u);
  EXPECT_EQ(welcome.settings.write_quorum, 6u);
  EXPECT_FALSE(welcome.settings.slave_sync) << "nobody keeps a standby here";
  EXPECT_FALSE(welcome.log.is_nil());
  EXPECT_GE(welcome.batch_bytes_max, kMiB);
}

TEST(Handshake, a_vdisk_may_have_settings_of_its_own) {
  ServerRig rig([](server::ServerOptions& options) {
    options.settings_of = [](const std::string& vdisk) {
      return server::LogSettings{.data_shards = vdisk == "vm2" ? 3U : 4U,
                                 .parity_shards = vdisk == "vm2" ? 3U : 2U,
                                 .flush_size = vdisk == "vm2" ? 7U : 25U};
    };
  });
  SessionClient client = rig.client("vm2");
  EXPECT_EQ(client.enter().format.data_shards, 3);
  EXPECT_EQ(client.welcome().format.parity_shards, 3);
  EXPECT_EQ(client.welcome().settings.flush_size, 7u);
}

TEST(Handshake, no_common_version_is_refused) {
  ServerRig rig;
  protocol::Hello hello = rig.hello();
  hello.version_min = protocol::kVersion + 1;
  hello.version_max = protocol::kVersion + 4;
  SessionClient newer(rig.address(), hello);
  EXPECT_EQ(refused(newer).code, Code::kNotSupported);
  hello.version_min = protocol::kVersionMin;
  SessionClient both(rig.address(), hello);
  EXPECT_EQ(both.enter().version, protocol::kVersion);
}

TEST(Handshake, a_key_that_others_could_read_is_refused) {
  ServerRig rig([](server::ServerOptions& options) { options.address = "127.0.0.1:0"; });
  SessionClient client = rig.client();
  const protocol::Refusal refusal = refused(client);
  EXPECT_EQ(refusal.code, Code::kInvalidArgument);
  EXPECT_THAT(refusal.reason, HasSubstr("TLS"));
  EXPECT_THAT(refusal.reason, HasSubstr("--insecure"));
  client.control().leave();
}

TEST(Handshake, a_key_that_others_could_read_is_taken_where_that_is_allowed) {
  ServerRig rig([](server::ServerOptions& options) {
    options.address = "127.0.0.1:0";
    options.insecure = true;
  });
  SessionClient client = rig.client();
  client.enter();
  client.write(3);
  EXPECT_EQ(client.flush(3), 3u);
}

TEST(Handshake, without_any_key_is_refused_and_the_servers_own_serves) {
  ServerRig rig;
  protocol::Hello hello = rig.hello();
  hello.key.clear();
  SessionClient client(rig.address(), hello);
  const protocol::Refusal refusal = refused(client);
  EXPECT_EQ(refusal.code, Code::kInvalidArgument);
  EXPECT_THAT(refusal.reason, HasSubstr("key file"));

  auto key =
      std::make_shared<const seal::MasterKey>(seal::MasterKey::generate(system_random()).value());
  ServerRig own([&](server::ServerOptions& options) { options.key = key; });
  SessionClient served(own.address(), hello);
  served.enter();
}

TEST(Handshake, names_and_journals_are_checked) {
  ServerRig rig;
  protocol::Hello hello = rig.hello();
  hello.format.name = "../vm";
  SessionClient bad_name(rig.address(), hello);
  EXPECT_EQ(refused(bad_name).code, Code::kInvalidArgument);
  hello = rig.hello();
  hello.journal = {};
  SessionClient nobody(rig.address(), hello);
  EXPECT_EQ(refused(nobody).code, Code::kInvalidArgument);
  hello = rig.hello();
  hello.may_create = false;
  SessionClient careful(rig.address(), hello);
  EXPECT_EQ(refused(careful).code, Code::kNotFound);
}

TEST(Handshake, another_journal_is_told_who_has_the_vdisk) {
  ServerRig rig;
  SessionClient first = rig.client("vm1", 1);
  first.enter();
  SessionClient second = rig.client("vm1", 2);
  const protocol::Refusal refusal = refused(second);
  EXPECT_EQ(refusal.code, Code::kFenced);
  EXPECT_THAT(refusal.reason, HasSubstr("host1:1"));
  EXPECT_THAT(refusal.reason, HasSubstr("UTC"));
  EXPECT_THAT(refusal.reason, HasSubstr("take the vdisk over"));
  first.write(2);
  EXPECT_EQ(first.flush(2), 2u) << "the first is not disturbed";
}

TEST(Handshake, taking_over_ends_the_first_and_keeps_what_it_sent) {
  ServerRig rig;
  SessionClient first = rig.client("vm1", 1);
  first.enter();
  first.write(5);
  first.wait_received(5);
  protocol::Hello hello = rig.hello("vm1", 2);
  hello.take_over = true;
  SessionClient second(rig.address(), hello);
  second.enter();
  const protocol::Disconnect end = first.wait_disconnected();
  EXPECT_EQ(end.code, Code::kFenced);
  EXPECT_THAT(end.reason, HasSubstr("host2:1"));
  first.data().wait_closed();
  EXPECT_EQ(second.welcome().stored.sequence, 5u);
  EXPECT_EQ(second.welcome().epoch, 2u);
  second.adopt(first.model());
  second.write(5);
  EXPECT_EQ(second.flush(10), 10u);
  SessionClient again = rig.client("vm1", 1);
  EXPECT_EQ(refused(again).code, Code::kFenced);
  rig.expect_log("vm1", second.model());
}

TEST(Handshake, who_has_another_key_takes_nothing_over) {
  ServerRig rig;
  SessionClient first = rig.client("vm1", 1);
  first.enter();
  protocol::Hello hello = rig.hello("vm1", 2);
  hello.take_over = true;
  hello.key[5] ^= 1;
  SessionClient second(rig.address(), hello);
  EXPECT_EQ(refused(second).code, Code::kWrongKey);
  hello = rig.hello("vm1", 1);
  hello.key[5] ^= 1;
  SessionClient same_journal(rig.address(), hello);
  EXPECT_EQ(refused(same_journal).code, Code::kWrongKey);
  first.write(2);
  EXPECT_EQ(first.flush(2), 2u) << "the first is not disturbed";
}

TEST(Handshake, another_format_is_refused) {
  ServerRig rig;
  SessionClient first = rig.client();
  first.enter();
  protocol::Hello hello = rig.hello();
  hello.format.size = 2 * kGiB;
  SessionClient open(rig.address(), hello);
  EXPECT_EQ(refused(open).code, Code::kInvalidArgument);
  first.say_goodbye();
  EXPECT_TRUE(rig.wait_until([&] { return rig.server().status().sessions.empty(); }));
  SessionClient stored(rig.address(), hello);
  EXPECT_EQ(refused(stored).code, Code::kInvalidArgument);
}

TEST(Handshake, a_size_of_zero_fits_the_log_that_is_there_open_or_not) {
  ServerRig rig;
  protocol::Hello hello = rig.hello();
  hello.format.size = 0;
  SessionClient first = rig.client();
  first.enter();
  SessionClient lingering(rig.address(), hello);
  EXPECT_EQ(lingering.enter().format.size, rig.hello().format.size);
  lingering.say_goodbye();
  EXPECT_TRUE(rig.wait_until([&] { return rig.server().status().sessions.empty(); }));
  SessionClient stored(rig.address(), hello);
  EXPECT_EQ(stored.enter().format.size, rig.hello().format.size);
}

TEST(Handshake, the_same_journal_finds_what_it_had_sent) {
  ServerRig rig;
  std::vector<SentRecord> model;
  Epoch epoch = 0;
  {
    SessionClient client = rig.client();
    client.enter();
    client.write(7);
    client.wait_received(7);
    EXPECT_EQ(client.progress().stored, 0u) << "not enough for an aggregation";
    model = client.model();
    epoch = client.welcome().epoch;
  }
  EXPECT_TRUE(rig.wait_until([&] { return rig.session().peer.empty(); }));
  EXPECT_EQ(rig.session().received, 7u) << "the log lingers";
  SessionClient client = rig.client();
  client.enter();
  EXPECT_EQ(client.welcome().received, 7u);
  EXPECT_EQ(client.welcome().stored.sequence, 0u);
  EXPECT_EQ(client.welcome().epoch, epoch);
  client.adopt(model);
  client.write(3);
  EXPECT_EQ(client.flush(10), 10u);
  rig.expect_log("vm1", client.model());
}

TEST(Handshake, the_same_journal_comes_back_before_its_end_was_noticed) {
  ServerRig rig;
  SessionClient half_open = rig.client();
  half_open.enter();
  half_open.write(4);
  half_open.wait_received(4);
  SessionClient back = rig.client();
  EXPECT_EQ(back.enter().received, 4u);
  EXPECT_EQ(half_open.wait_disconnected().code, Code::kUnavailable);
  half_open.control().leave();
  half_open.data().wait_closed();
  back.adopt(half_open.model());
  back.write(4);
  EXPECT_EQ(back.flush(8), 8u);
  rig.expect_log("vm1", back.model());
}

TEST(Handshake, a_log_that_nobody_comes_back_to_is_stored_and_closed) {
  ServerRig rig([](server::ServerOptions& options) { options.linger_ns = 50'000'000; });
  std::vector<SentRecord> model;
  {
    SessionClient client = rig.client();
    client.enter();
    client.write(7);
    client.wait_received(7);
    model = client.model();
  }
  EXPECT_TRUE(rig.wait_until([&] { return rig.server().status().sessions.empty(); }));
  rig.expect_log("vm1", model);
}

TEST(Handshake, goodbye_stores_at_once) {
  ServerRig rig;
  SessionClient client = rig.client();
  client.enter();
  client.write(7);
  client.wait_received(7);
  client.say_goodbye();
  client.control().wait_closed();
  client.data().wait_closed();
  // Who comes while it is being closed waits for that.
  SessionClient next = rig.client();
  EXPECT_EQ(next.enter().stored.sequence, 7u);
  EXPECT_EQ(next.welcome().epoch, 2u);
  rig.expect_log("vm1", client.model());
}

TEST(Handshake, who_says_nothing_is_sent_away) {
  ServerRig rig([](server::ServerOptions& options) { options.hello_timeout_ns = 50'000'000; });
  FrameClient stranger = rig.stranger();
  EXPECT_EQ(stranger.expect<protocol::Refusal>().code, Code::kTimeout);
  stranger.leave();
}

TEST(Handshake, an_unknown_token_is_refused) {
  ServerRig rig;
  FrameClient stranger = rig.stranger();
  stranger.say(protocol::Attach{.session = SampleAggregation::sample_uuid()});
  EXPECT_EQ(stranger.expect<protocol::Refusal>().code, Code::kNotFound);
  stranger.leave();
}

TEST(Handshake, more_sessions_than_allowed_are_refused) {
  ServerRig rig([](server::ServerOptions& options) { options.sessions_max = 2; });
  SessionClient one = rig.client("vm1");
  one.enter();
  SessionClient two = rig.client("vm2");
  two.enter();
  SessionClient three = rig.client("vm3");
  const protocol::Refusal refusal = refused(three);
  EXPECT_EQ(refusal.code, Code::kUnavailable);
  EXPECT_THAT(refusal.reason, HasSubstr("limit"));
  SessionClient one_again = rig.client("vm1");
  one_again.enter();
  two.say_goodbye();
  EXPECT_TRUE(rig.wait_until([&] { return rig.server().status().sessions.size() == 1; }));
  SessionClient next = rig.client("vm3");
  next.enter();
}

TEST(Handshake, stores_that_are_away_refuse_and_disturb_nobody) {
  ServerRig rig;
  SessionClient good = rig.client("vm1");
  good.enter();
  // Its opening takes its time; the other one goes on meanwhile.
  rig.contents("vm2").refuse(true);
  SessionClient bad = rig.client("vm2");
  bad.control().say(rig.hello("vm2"));
  good.write(30);
  EXPECT_EQ(good.flush(30), 30u);
  EXPECT_EQ(bad.control().expect<protocol::Refusal>().code, Code::kUnavailable);
  rig.contents("vm2").refuse(false);
  SessionClient later = rig.client("vm2");
  later.enter();
}

// Of the whole server, for who is no client of any vdisk.
TEST(Handshake, status_is_told_without_a_session) {
  ServerRig rig;
  SessionClient writer = rig.client();
  writer.enter();
  writer.write(3);
  writer.wait_received(3);
  FrameClient stranger = rig.stranger();
  stranger.say(protocol::StatusRequest{.id = 9});
  const auto reply = stranger.expect<protocol::Reply>();
  EXPECT_EQ(reply.id, 9U);
  EXPECT_FALSE(reply.error);
  const auto json = nlohmann::json::parse(reply.text);
  EXPECT_EQ(json.at("server"), writer.welcome().server.text());
  ASSERT_EQ(json.at("sessions").size(), 1U);
  EXPECT_EQ(json.at("sessions")[0].at("vdisk"), "vm1");
  EXPECT_EQ(json.at("sessions")[0].at("received"), 3);
  stranger.leave();
  EXPECT_EQ(rig.server().status().refused, 0U);
}

// Over plain TCP it is told on the server's own host alone: it has names of vdisks and clients.
TEST(Handshake, status_is_not_told_to_strangers_unless_that_is_allowed) {
  if (testing::outer_address().empty()) GTEST_SKIP() << "this machine has loopback only";
  for (const bool insecure : {false, true}) {
    ServerRig rig([&](server::ServerOptions& options) {
      options.address = "0.0.0.0:0";
      options.insecure = insecure;
    });
    FrameClient here("127.0.0.1" + rig.address().substr(rig.address().rfind(':')));
    here.say(protocol::StatusRequest{.id = 1});
    EXPECT_FALSE(here.expect<protocol::Reply>().error);
    FrameClient stranger(rig.outer_address());
    stranger.say(protocol::StatusRequest{.id = 1});
    if (insecure) {
      EXPECT_FALSE(stranger.expect<protocol::Reply>().error);
      continue;
    }
    const auto refusal = stranger.expect<protocol::Refusal>();
    EXPECT_EQ(refusal.code, Code::kInvalidArgument);
    EXPECT_THAT(refusal.reason, HasSubstr("127.0.0.1"));
    EXPECT_THAT(refusal.reason, HasSubstr("--insecure"));
  }
}

TEST(Handshake, status_is_put_together_ten_times_a_second_at_most) {
  ServerRig rig;
  const auto begin = std::chrono::steady_clock::now();
  std::set<std::uint64_t> made;
  for (int i = 0; i < 200; ++i) {
    FrameClient stranger = rig.stranger();
    stranger.say(protocol::StatusRequest{.id = 1});
    const auto json = nlohmann::json::parse(stranger.expect<protocol::Reply>().text);
    made.insert(json.at("uptime_ns").get<std::uint64_t>());
    stranger.leave();
  }
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_LE(made.size(), static_cast<std::size_t>(took / std::chrono::milliseconds(100)) + 2);
}

// Who asks and does not leave holds an answer; only so many do at once.
TEST(Handshake, status_is_told_to_a_few_at_once) {
  ServerRig rig;
  const auto told = [&](FrameClient& client) {
    client.say(protocol::StatusRequest{.id = 1});
    const auto answer = client.hear();
    if (!answer) throw std::runtime_error("no answer");
    const auto* refusal = std::get_if<protocol::Refusal>(&*answer);
    if (refusal != nullptr) {
      EXPECT_EQ(refusal->code, Code::kUnavailable);
      EXPECT_THAT(refusal->reason, HasSubstr("ask again"));
    }
    return refusal == nullptr;
  };
  std::list<FrameClient> slow;
  bool all = true;
  for (int i = 0; i < 40 && all; ++i) {
    slow.push_back(rig.stranger());
    all = told(slow.back());
  }
  EXPECT_FALSE(all) << "forty at once";
  EXPECT_GT(slow.size(), 8U);
  for (FrameClient& client : slow) client.close();
  EXPECT_TRUE(rig.wait_until([&] {
    FrameClient next = rig.stranger();
    return told(next);
  }));
}

}  // namespace
}  // namespace tlog::testing
