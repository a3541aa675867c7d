// Records on their way through a server, and what is asked beside them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "tests/fault/server/server_rig.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;

TEST(Stream, what_is_sent_is_received_stored_and_told) {
  ServerRig rig;
  SessionClient client = rig.client();
  client.enter();
  for (int i = 0; i < 20; ++i) client.write(25);
  const protocol::Progress progress = client.wait_stored(500);
  EXPECT_EQ(progress.received, 500u);
  const server::ServerStatus status = rig.server().status();
  EXPECT_EQ(status.records, 500u);
  EXPECT_EQ(status.stored_records, 500u);
  EXPECT_EQ(status.record_bytes, 500u * 4096);
  ASSERT_EQ(status.sessions.size(), 1u);
  EXPECT_EQ(status.sessions[0].stored, 500u);
  EXPECT_EQ(status.sessions[0].client, "host1:1");
  rig.expect_log("vm1", client.model());
}

TEST(Stream, a_forced_flush_is_answered_when_it_is_stored_and_behind_its_progress) {
  ServerRig rig;
  SessionClient client = rig.client();
  client.enter();
  client.write(3);
  EXPECT_EQ(client.flush(3), 3u);
  EXPECT_EQ(client.progress().stored, 3u) << "Progress came before the Reply";
  EXPECT_EQ(client.flush(2), 3u) << "it is stored already";
  rig.contents("vm1").refuse(true);
  client.write(2);
  client.wait_received(5);
  client.control().say(protocol::ForceFlush{.id = 77, .sequence = 5});
  EXPECT_FALSE(client.control().has_something(100)) << "nothing is stored, nothing is told";
  rig.contents("vm1").refuse(false);
  client.wait_stored(5);
  EXPECT_EQ(client.control().expect<protocol::Reply>().id, 77u);
}

// The control connection may be quicker than the data connection.
TEST(Stream, a_flush_that_comes_before_its_records_waits_for_them) {
  ServerRig rig;
  SessionClient client = rig.client();
  client.enter();
  client.control().say(protocol::ForceFlush{.id = 5, .sequence = 4});
  client.ask(protocol::StatusRequest{});  // the flush was seen
  client.write(4);
  const auto reply = client.control().expect<protocol::Reply>();
  EXPECT_EQ(reply.id, 5u);
  EXPECT_EQ(reply.sequences, std::vector<Sequence>{4});
}

TEST(Stream, a_flush_of_what_never_comes_holds_no_other_one_back) {
  ServerRig rig;
  SessionClient client = rig.client();
  client.enter();
  client.control().say(protocol::ForceFlush{.id = 5, .sequence = 4});
  client.control().say(protocol::ForceFlush{.id = 6, .sequence = 1'000'000});
  client.ask(protocol::StatusRequest{});  // they were seen
  client.write(4);
  EXPECT_EQ(client.control().expect<protocol::Reply>().id, 5u);
}

TEST(Stream, what_came_already_is_skipped) {
  ServerRig rig;
  SessionClient client = rig.client();
  client.enter();
  client.write(10);
  client.wait_received(10);
  client.resend(4, 10);
  client.resend(1, 3);
  client.write(5);
  EXPECT_EQ(client.flush(15), 15u);
  rig.expect_log("vm1", client.model());
}

struct WrongCase {
  std::string what;
  SessionClient::Wrong wrong;
  std::string reason;
};
class WrongBatch : public ::testing::TestWithParam<WrongCase> {};

// The reason is told, the session ends, and the log has all that came before, and nothing else.
TEST_P(WrongBatch, ends_the_session_and_nothing_else) {
  ServerRig rig;
  SessionClient other = rig.client("vm2", 2);
  other.enter();
  std::vector<SentRecord> model;
  {
    SessionClient client = rig.client();
    client.enter();
    client.write(6);
    client.wait_received(6);
    client.write_wrong(GetParam().wrong);
    model = client.model();
    const protocol::Disconnect end = client.wait_disconnected();
    EXPECT_THAT(end.reason, HasSubstr(GetParam().reason));
    client.data().wait_closed();
  }
  SessionClient again = rig.client();
  const Sequence received = again.enter().received;
  // What is before a wrong hash in its batch may count.
  EXPECT_GE(received, 6u);
  EXPECT_LE(received, GetParam().wrong.hash ? 8u : 6u);
  model.resize(received);
  again.adopt(model);
  again.write(4);
  EXPECT_EQ(again.flush(again.sent()), received + 4);
  rig.expect_log("vm1", again.model());
  other.write(1);
  EXPECT_EQ(other.flush(1), 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Stream, WrongBatch,
    ::testing::Values(
        WrongCase{"vdisk", {.vdisk = SampleAggregation::sample_uuid()}, "the session of"},
        WrongCase{"epoch", {.epoch = 9}, "epoch 9"},
        WrongCase{"number", {.number_on = 1}, "expected number 2"},
        WrongCase{"gap", {.skipped = 2}, "9"}, WrongCase{"hash", {.hash = true}, "record 9"}),
    [](const auto& wrong_case) { return wrong_case.param.what; });

TEST(Stream, echo_comes_back_with_the_servers_time) {
  ServerRig rig;
  SessionClient client = rig.client();
  client.enter();
  client.control().say(protocol::Echo{.id = 3, .client_ns = 12345, .server_ns = 0});
  const auto echo = client.control().expect<protocol::Echo>();
  EXPECT_EQ(echo.id, 3u);
  EXPECT_EQ(echo.client_ns, 12345u);
  EXPECT_GT(echo.server_ns, 1'600'000'000'000'000'000u);
}

TEST(Stream, status_is_json) {
  ServerRig rig;
  SessionClient client = rig.client();
  client.enter();
  client.write(2);
  client.flush(2);
  const protocol::Reply reply = client.ask(protocol::StatusRequest{});
  EXPECT_THAT(reply.text, HasSubstr("\"vdisk\":\"vm1\""));
  EXPECT_THAT(reply.text, HasSubstr("\"stored\":2"));
  EXPECT_THAT(reply.text, HasSubstr("\"waiting_for\":\"\""));
}

TEST(Stream, a_writer_reads_what_is_stored) {
  ServerRig rig;
  SessionClient client = rig.client();
  client.enter();
  for (int i = 0; i < 40; ++i) client.write(25, 16 * kKiB);
  client.wait_stored(1000);
  EXPECT_TRUE(client.read(1, 1000) == client.model());
  const auto some = client.read(333, 666);
  ASSERT_EQ(some.size(), 334u);
  EXPECT_EQ(some.front(), client.model()[332]);
  // Beside the writing.
  client.write(25);
  EXPECT_EQ(client.read(1000, 1000).size(), 1u);
  EXPECT_EQ(client.flush(1025), 1025u);
}

TEST(Stream, what_is_not_there_cannot_be_read) {
  ServerRig rig;
  SessionClient client = rig.client();
  client.enter();
  client.write(3);
  client.flush(3);
  const auto code = [&](Sequence first, Sequence last) {
    const protocol::Reply reply =
        client.ask(protocol::ReadLog{.id = 0, .first = first, .last = last});
    return reply.error ? reply.error->code() : Code::kAlreadyExists;
  };
  EXPECT_EQ(code(2, 4), Code::kNotFound);
  EXPECT_EQ(code(9, 9), Code::kNotFound);
  EXPECT_EQ(code(0, 1), Code::kInvalidArgument);
  EXPECT_EQ(code(3, 2), Code::kInvalidArgument);
  EXPECT_EQ(client.read(1, 3).size(), 3u) << "the session goes on";
}

TEST(Stream, many_readings_queue_and_too_many_are_refused) {
  ServerRig rig;
  SessionClient client = rig.client();
  client.enter();
  client.write(25, 64 * kKiB);
  client.wait_stored(25);
  // Nobody takes what is read, so that none of them ends.
  for (std::uint64_t id = 100; id < 150; ++id)
    client.control().say(protocol::ReadLog{.id = id, .first = 1, .last = 25});
  const protocol::Reply refused = client.control().expect<protocol::Reply>();
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.error->code(), Code::kUnavailable);
  EXPECT_GT(refused.id, 110u);
  EXPECT_TRUE(client.data().has_something(FrameClient::kPatienceMs));
  // The session is not disturbed by them, nor by what lies unread on its data connection.
  client.write(1);
  EXPECT_EQ(client.flush(26), 26u);
}

// Readings that last keep nobody waiting until they have ended.
TEST(Stream, a_short_reading_beside_many_long_ones) {
  constexpr unsigned kThreads = 8;  // that read
  constexpr Sequence kRecords = 240;
  ServerRig rig;
  protocol::Hello hello = rig.hello();
  hello.settings.flush_size = 1;
  SessionClient writer(rig.address(), hello);
  writer.enter();
  for (Sequence i = 1; i <= kRecords; ++i) {
    writer.write(1, 16);
    writer.wait_stored(i);
  }
  std::vector<std::unique_ptr<SessionClient>> readers;
  for (unsigned i = 0; i <= kThreads; ++i) {
    readers.push_back(std::make_unique<SessionClient>(rig.address(), rig.reader()));
    readers.back()->enter();
  }
  const std::unique_ptr<SessionClient> last = std::move(readers.back());
  readers.pop_back();
  rig.contents("vm1").delay(100'000'000);
  std::vector<std::thread> taking;
  for (const auto& reader : readers) {
    reader->control().say(protocol::ReadLog{.id = 7, .first = 1, .last = kRecords});
    taking.emplace_back([&each = *reader] {
      while (each.data().receive()) continue;
    });
  }
  for (const auto& reader : readers) reader->ask(protocol::StatusRequest{});
  EXPECT_EQ(last->read(1, 1).size(), 1u);
  unsigned done = 0;
  for (const auto& reader : readers) done += reader->control().has_something(0) ? 1 : 0;
  EXPECT_EQ(done, 0u) << "it has waited for them";
  rig.contents("vm1").delay(0);
  for (const auto& reader : readers) {
    const auto reply = reader->control().expect<protocol::Reply>();
    EXPECT_FALSE(reply.error) << reply.error->message();
    EXPECT_EQ(reply.sequences, std::vector<Sequence>{kRecords});
    reader->control().close();
  }
  for (std::thread& each : taking) each.join();
}

TEST(Stream, a_reader_changes_nothing_and_reads_on) {
  ServerRig rig;
  SessionClient writer = rig.client();
  writer.enter();
  writer.write(30);
  writer.flush(30);
  SessionClient reader(rig.address(), rig.reader());
  const protocol::Welcome& welcome = reader.enter();
  EXPECT_EQ(welcome.epoch, 0u);
  EXPECT_EQ(welcome.stored.sequence, 30u);
  EXPECT_EQ(welcome.log, writer.welcome().log);
  EXPECT_TRUE(reader.read(1, 30) == writer.model());
  writer.write(30);
  writer.flush(60);
  EXPECT_TRUE(reader.read(1, 60) == writer.model());
  const protocol::Reply flush = reader.ask(protocol::ForceFlush{.id = 0, .sequence = 1});
  EXPECT_TRUE(flush.error);
  // Also when nobody writes it.
  writer.say_goodbye();
  writer.control().wait_closed();
  EXPECT_TRUE(reader.read(31, 60).size() == 30u);
  SessionClient next = rig.client();
  EXPECT_EQ(next.enter().epoch, 2u) << "the reader claimed none";
}

TEST(Stream, readers_need_the_key_and_a_log) {
  ServerRig rig;
  SessionClient nothing(rig.address(), rig.reader());
  EXPECT_EQ(refused(nothing).code, Code::kNotFound);
  SessionClient writer = rig.client();
  writer.enter();
  writer.write(3);
  writer.flush(3);
  protocol::Hello hello = rig.reader();
  hello.key[0] ^= 1;
  SessionClient wrong(rig.address(), hello);
  EXPECT_EQ(refused(wrong).code, Code::kWrongKey);
}

TEST(Stream, the_data_connection_may_be_attached_again) {
  ServerRig rig;
  SessionClient client = rig.client();
  client.enter();
  client.write(5);
  client.wait_received(5);
  client.data().close();
  client.attach();
  client.write(5);
  EXPECT_EQ(client.flush(10), 10u);
  rig.expect_log("vm1", client.model());
}

// With a replication delay: what has come is not sent again on the next connection, nor is that one
// left paused for what the one before it had piled up.
TEST(Stream, what_is_delayed_is_taken_when_another_connection_attaches) {
  ServerRig rig([](server::ServerOptions& options) {
    options.replication_delay_ns = 3'600'000'000'000;  // by itself nothing comes of it
    options.session_memory_bytes = 256 * kKiB;         // a quarter of it is held back at most
  });
  SessionClient client = rig.client();
  client.enter();
  for (Sequence round = 1; round <= 2; ++round) {
    for (int i = 0; i < 4; ++i) client.write(4);  // the last of them is a little beyond the quarter
    ASSERT_TRUE(rig.wait_until([&] { return rig.session().paused; })) << "round " << round;
    client.attach();
    EXPECT_EQ(client.wait_received(16 * round).received, 16 * round);
  }
}

}  // namespace
}  // namespace tlog::testing
