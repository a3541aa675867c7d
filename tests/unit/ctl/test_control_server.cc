// The server half of the control socket, with an engine that does what the test says: right
// answers, several clients at once, and rude ones who must not get in anybody's way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <future>

#include "ctl/control_client.h"
#include "ctl/control_socket.h"
#include "tests/support/process.h"
#include "tests/support/temp_directory.h"
#include "tests/unit/ctl/control_server_fixture.h"

namespace tlog::plugin {
namespace {

using control::Command;
using ::testing::HasSubstr;
using testing::Milliseconds;

TEST_F(ControlServerTest, answers_every_command) {
  engine.first->set_watermarks({.appended = 40, .durable = 30, .stored = 20, .applied = 10});
  engine.first->set_stores(
      {{"directory log/0", true, store::StoreState::kUp, "up", "uuid", "", 1, 2, 3, 4}});
  start();
  auto pong = ask({.command = Command::kPing});
  ASSERT_TRUE(pong.has_value()) << pong.error().message();
  EXPECT_EQ(pong->pid, static_cast<std::uint64_t>(getpid()));

  auto status = ask({.command = Command::kStatus});
  ASSERT_TRUE(status.has_value()) << status.error().message();
  ASSERT_EQ(status->vdisks.size(), 2u);
  EXPECT_EQ(status->vdisks[0].appended, 40u);
  EXPECT_EQ(status->vdisks[0].durable, 30u);
  EXPECT_EQ(status->vdisks[0].stored, 20u);
  EXPECT_EQ(status->vdisks[0].applied, 10u);
  EXPECT_EQ(status->vdisks[0].state, "serving");
  EXPECT_EQ(status->vdisks[0].stores[0].name, "directory log/0");
  EXPECT_EQ(status->vdisks[0].stores[0].state, "up");
  EXPECT_EQ(status->vdisks[0].stores[0].server, "uuid");
  EXPECT_EQ(status->vdisks[1].name, "vm2");
  EXPECT_EQ(status->vdisks[1].state, "closed");
  EXPECT_EQ(status->vdisks[1].size, 5 * kMiB);
  EXPECT_EQ(ask({.command = Command::kStatus, .vdisk = "vm1"})->vdisks.size(), 1u);

  auto mark = ask({.command = Command::kMark, .vdisk = "vm1", .name = "before"});
  ASSERT_TRUE(mark.has_value()) << mark.error().message();
  EXPECT_EQ(mark->sequence, 41u);
  EXPECT_THAT(engine.first->marks(), ::testing::ElementsAre("before"));

  engine.first->set_watermarks({.appended = 41, .durable = 41, .stored = 41});
  auto flush = ask({.command = Command::kFlush, .vdisk = "vm1"});
  ASSERT_TRUE(flush.has_value()) << flush.error().message();
  EXPECT_EQ(flush->sequence, 41u);
}

TEST_F(ControlServerTest, a_vdisk_of_several_hosts_says_whose_turn_it_is) {
  engine.set_leases({{.vdisk = "vm1",
                      .state = session::LeaseState::kLost,
                      .holder = "b",
                      .ends_in_ns = 0,
                      .reason = "goes on"},
                     {.vdisk = "vm2",
                      .state = session::LeaseState::kStandby,
                      .holder = "a",
                      .ends_in_ns = 2'500'000'000,
                      .reason = "is served by host a"}});
  start();
  auto status = ask({.command = Command::kStatus});
  ASSERT_TRUE(status.has_value()) << status.error().message();
  EXPECT_EQ(status->vdisks[0].state, "serving");
  EXPECT_EQ(status->vdisks[0].lease, "lost");
  EXPECT_EQ(status->vdisks[0].lease_reason, "goes on");
  EXPECT_EQ(status->vdisks[1].state, "standby");
  EXPECT_EQ(status->vdisks[1].reason, "is served by host a");
  EXPECT_EQ(status->vdisks[1].lease_holder, "a");
  EXPECT_EQ(status->vdisks[1].lease_ends_in_ms, 2500U);
}

TEST_F(ControlServerTest, errors_reach_the_client) {
  start();
  auto foreign = ask({.command = Command::kStatus, .vdisk = "vm9"});
  ASSERT_FALSE(foreign.has_value());
  EXPECT_EQ(foreign.error().code(), Code::kNotFound);
  EXPECT_THAT(foreign.error().message(), HasSubstr("vm1, vm2"));
  EXPECT_THAT(ask({.command = Command::kMark, .vdisk = "vm2", .name = "x"}).error().message(),
              HasSubstr("was never written"));
  engine.first->fail_with(Error(Code::kFenced, "mark: vm1: taken over"));
  EXPECT_EQ(ask({.command = Command::kMark, .vdisk = "vm1", .name = "x"}).error().code(),
            Code::kFenced);
  EXPECT_EQ(ask({.command = Command::kFlush, .vdisk = "vm1"}).error().code(), Code::kFenced);
}

TEST_F(ControlServerTest, a_flush_ends_when_what_was_there_at_its_beginning_is_stored) {
  engine.first->set_watermarks({.appended = 10, .stored = 0});
  start();
  auto flush = std::async(std::launch::async,
                          [&] { return ask({.command = Command::kFlush, .vdisk = "vm1"}); });
  ASSERT_TRUE(testing::wait_until([&] { return engine.first->flushes_waiting() > 0; },
                                  Milliseconds(kLongMs)));
  // The writer goes on, and the stores never catch up with it.
  engine.first->set_watermarks({.appended = 1'000, .stored = 10});
  auto reply = flush.get();
  ASSERT_TRUE(reply.has_value()) << reply.error().message();
  EXPECT_EQ(reply->sequence, 10u);
}

TEST_F(ControlServerTest, a_flush_that_takes_too_long_says_how_far_it_came) {
  engine.first->set_watermarks({.appended = 10, .stored = 7});
  start();
  auto reply = ask({.command = Command::kFlush, .vdisk = "vm1", .timeout_ms = 300});
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().code(), Code::kTimeout);
  EXPECT_THAT(reply.error().message(), HasSubstr("stored up to 7 of 10 after 300 ms"));
}

// Others are answered, and stopping does not wait for the minute that the flush may take.
TEST_F(ControlServerTest, a_waiting_flush_stands_in_nobodys_way) {
  engine.first->set_watermarks({.appended = 10, .stored = 0});
  start();
  auto flush = std::async(std::launch::async,
                          [&] { return ask({.command = Command::kFlush, .vdisk = "vm1"}); });
  ASSERT_TRUE(testing::wait_until([&] { return engine.first->flushes_waiting() > 0; },
                                  Milliseconds(kLongMs)));
  EXPECT_TRUE(ask({.command = Command::kPing}).has_value());
  EXPECT_TRUE(ask({.command = Command::kStatus}).has_value());
  std::uint64_t before = control::monotonic_ms();
  server->stop();
  EXPECT_LT(control::monotonic_ms() - before, 15'000u);
  EXPECT_FALSE(flush.get().has_value());
}

TEST_F(ControlServerTest, one_connection_may_ask_many_times) {
  start();
  control::Descriptor client = connected();
  for (int i = 0; i < 100; ++i)
    EXPECT_THAT(answer_to(client, "{\"command\":\"ping\"}\n"), HasSubstr("\"ok\":true"));
  // Also all at once.
  std::string many;
  for (int i = 0; i < 100; ++i) many += "{\"command\":\"ping\"}\n";
  ASSERT_TRUE(control::send_all(client.number(), many, deadline()).has_value());
  std::string buffer;
  for (int i = 0; i < 100; ++i) {
    auto line = control::receive_line(client.number(), buffer, control::kReplyBytesMax, deadline());
    ASSERT_TRUE(line.has_value()) << i << line.error().message();
  }
}

TEST_F(ControlServerTest, garbage_is_answered_and_the_server_lives) {
  start();
  control::Descriptor client = connected();
  EXPECT_THAT(answer_to(client, "GET / HTTP/1.1\n"), HasSubstr("\"ok\":false"));
  EXPECT_THAT(answer_to(client, std::string("\0\xff\0\n", 4)), HasSubstr("\"ok\":false"));
  EXPECT_THAT(answer_to(client, "{\"command\":\"ping\"}\n"), HasSubstr("\"ok\":true"));
  EXPECT_TRUE(ask({.command = Command::kPing}).has_value());
}

TEST_F(ControlServerTest, an_endless_line_is_cut_off) {
  start();
  control::Descriptor client = connected();
  EXPECT_THAT(answer_to(client, std::string(control::kRequestBytesMax + 1, 'x')),
              HasSubstr("longer than 65536"));
  EXPECT_TRUE(ask({.command = Command::kPing}).has_value());
}

TEST_F(ControlServerTest, a_client_that_vanishes_in_the_middle_harms_nobody) {
  start();
  for (std::string_view part : {"", "{\"comm", "{\"command\":\"status\"}\n"}) {
    control::Descriptor client = connected();
    (void)control::send_all(client.number(), part, deadline());
  }
  EXPECT_TRUE(ask({.command = Command::kPing}).has_value());
}

// It asks and asks and never reads an answer: the socket's buffers fill, then its own thread waits,
// nobody else's.
TEST_F(ControlServerTest, a_client_that_never_reads_blocks_only_itself) {
  engine.first->set_stores(std::vector<store::StoreStatus>(
      60, {std::string(200, 's'), true, store::StoreState::kUp, "up", "", "", 0, 0, 0, 0}));
  start({.clients_max = 2, .send_ms_max = 200});
  control::Descriptor rude = connected();
  std::string request = control::encode_request({.command = Command::kStatus});
  std::string requests;
  for (int i = 0; i < 1'000; ++i) requests += request;
  (void)control::send_all(rude.number(), requests, control::monotonic_ms() + 100);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(ask({.command = Command::kPing}).has_value());
  // And it is hung up on.
  auto is_hung_up = [&] {
    char byte = 0;
    return ::send(rude.number(), &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EPIPE;
  };
  EXPECT_TRUE(testing::wait_until(is_hung_up, Milliseconds(kLongMs)));
}

TEST_F(ControlServerTest, idle_clients_make_room_for_others) {
  start({.clients_max = 4});
  std::vector<control::Descriptor> idle;
  for (int i = 0; i < 40; ++i) {
    idle.push_back(connected());
    EXPECT_THAT(answer_to(idle.back(), "{\"command\":\"ping\"}\n"), HasSubstr("\"ok\":true")) << i;
  }
  EXPECT_TRUE(ask({.command = Command::kPing}).has_value());
}

TEST_F(ControlServerTest, when_all_wait_for_the_engine_the_next_is_told_so) {
  engine.first->set_watermarks({.appended = 10, .stored = 0});
  start({.clients_max = 2});
  std::vector<control::Descriptor> busy;
  for (int i = 0; i < 2; ++i) {
    busy.push_back(connected());
    std::string request = control::encode_request({.command = Command::kFlush, .vdisk = "vm1"});
    ASSERT_TRUE(control::send_all(busy.back().number(), request, deadline()).has_value());
  }
  ASSERT_TRUE(testing::wait_until([&] { return engine.first->flushes_waiting() == 2; },
                                  Milliseconds(kLongMs)));
  auto refused = ask({.command = Command::kPing});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), Code::kUnavailable);
  EXPECT_THAT(refused.error().message(), HasSubstr("too many clients"));
  engine.first->set_watermarks({.appended = 10, .stored = 10});
  EXPECT_TRUE(testing::wait_until([&] { return ask({.command = Command::kPing}).has_value(); },
                                  Milliseconds(kLongMs)));
}

TEST_F(ControlServerTest, the_socket_is_for_its_owner_and_goes_with_the_server) {
  mode_t before = ::umask(0);
  start();
  ::umask(before);
  struct stat found {};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0600u);
  server->stop();
  EXPECT_NE(::stat(path.c_str(), &found), 0);
}

TEST_F(ControlServerTest, a_socket_that_was_left_behind_is_replaced) {
  {
    ControlServer crashed(engine, system_clock(), null_logger());
    ASSERT_TRUE(crashed.bind(path).has_value());
    // Bound, never started: its file stays, as after SIGKILL.
  }
  struct stat found {};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  start();
  EXPECT_TRUE(ask({.command = Command::kPing}).has_value());
}

TEST_F(ControlServerTest, a_live_server_is_not_pushed_aside) {
  start();
  ControlServer second(engine, system_clock(), null_logger());
  auto refused = second.bind(path);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), Code::kUnavailable);
  EXPECT_THAT(refused.error().message(), HasSubstr(path));
  second.stop();
  EXPECT_TRUE(ask({.command = Command::kPing}).has_value());
}

// What bind() made is all that stop() may remove.
TEST_F(ControlServerTest, a_successors_socket_is_not_removed) {
  start();
  ASSERT_EQ(::unlink(path.c_str()), 0);
  ControlServer successor(engine, system_clock(), null_logger());
  ASSERT_TRUE(successor.bind(path).has_value());
  ASSERT_TRUE(successor.start().has_value());
  server->stop();
  EXPECT_TRUE(ask({.command = Command::kPing}).has_value());
}

TEST_F(ControlServerTest, what_is_no_socket_is_not_removed) {
  testing::write_text(path, "precious");
  ControlServer refused(engine, system_clock(), null_logger());
  auto status = refused.bind(path);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), Code::kAlreadyExists);
  EXPECT_EQ(testing::read_text(path), "precious");
}

TEST_F(ControlServerTest, impossible_paths_are_refused) {
  for (const std::string& wrong : {std::string(), directory.file(std::string(120, 'p')),
                                   directory.file("absent/control.sock")}) {
    ControlServer refused(engine, system_clock(), null_logger());
    auto status = refused.bind(wrong);
    ASSERT_FALSE(status.has_value()) << wrong;
    EXPECT_THAT(status.error().message(), HasSubstr(wrong));
  }
}

TEST(ControlClient, nobody_listens) {
  testing::TempDirectory directory;
  EXPECT_EQ(control::ask(directory.file("absent.sock"), {}, 1'000).error().code(), Code::kNotFound);
  EXPECT_EQ(control::ask(std::string(200, 'x'), {}, 1'000).error().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace tlog::plugin
