// FaultProxy and the framing beneath it: each fault must happen, and only that one.
#include "tests/support/fault_proxy.h"

#include <gtest/gtest.h>

#include <csignal>

#include "tests/support/ardb_double.h"
#include "tests/support/resp_client.h"
#include "tests/support/resp_framing.h"
#include "tests/support/temp_directory.h"

namespace tlog::testing {
namespace {

constexpr Milliseconds kLimit(20'000);

TEST(RespFraming, MessagesEndWhereTheyEndHoweverTheyAreCut) {
  const std::vector<std::string> messages = {
      "+OK\r\n",
      "-ERR no\r\n",
      ":42\r\n",
      "$-1\r\n",
      "*-1\r\n",
      "*0\r\n",
      "$0\r\n\r\n",
      "$5\r\na\r\nb\n\r\n",
      "*2\r\n$1\r\n0\r\n*3\r\n$1\r\nx\r\n:1\r\n*0\r\n",
      RespClient::encode({"SET", "key", std::string(1000, '$')})};
  std::string stream;
  for (const auto& message : messages) stream += message;
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    RespFraming framing(2, 4);
    std::vector<std::string> found(1);
    for (std::size_t at = 0; at < stream.size(); at += step) {
      std::string_view part = std::string_view(stream).substr(at, step);
      while (!part.empty()) {
        const std::size_t taken = framing.take(part);
        found.back() += part.substr(0, taken);
        part.remove_prefix(taken);
        if (framing.ended()) found.emplace_back();
      }
    }
    found.pop_back();
    ASSERT_EQ(found, messages) << "step " << step;
    EXPECT_FALSE(framing.broken());
    EXPECT_EQ(framing.words(), (std::vector<std::string>{"SET", "key"}));
  }
}

TEST(RespFraming, WhatIsNotTheProtocolIsSaidToBeBroken) {
  for (const std::string text : {"hello\r\n", "$-5\r\n", "*x\r\n", "$99999999999999999999\r\n"}) {
    RespFraming framing;
    framing.take(text);
    EXPECT_TRUE(framing.broken()) << text;
    EXPECT_EQ(framing.take("anything"), 8u);
    EXPECT_FALSE(framing.ended());
  }
}

class FaultProxyTest : public ::testing::Test {
 protected:
  static std::string bulk(const std::string& value) {
    return "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
  }
  // All that comes until the connection ends.
  static std::string rest(RespClient& client) {
    std::string all;
    for (;;) {
      const std::string more = client.raw();
      if (more.empty()) return all;
      all += more;
    }
  }
  bool becomes_closed() {
    return wait_until([this] { return proxy_.counts().open_connections == 0; }, kLimit);
  }

  ArdbDouble server_;
  FaultProxy proxy_{server_.address()};
};

TEST_F(FaultProxyTest, PassesEverythingAndCountsIt) {
  std::string value(3'000'000, 'v');
  for (std::size_t i = 0; i < value.size(); i += 7) value[i] = static_cast<char>(i);
  {
    RespClient client(proxy_.address());
    EXPECT_EQ(client.command({"SET", "a", value}), "OK");
    EXPECT_TRUE(client.command({"GET", "a"}) == value);
    EXPECT_EQ(client.command({"CONFIG", "GET", "maxmemory"}), "");
    EXPECT_EQ(client.command({"GET", "b"}), "(nil)");
  }
  EXPECT_EQ(proxy_.commands(),
            (std::map<std::string, std::uint64_t>{{"SET", 1}, {"GET", 2}, {"CONFIG GET", 1}}));
  const ProxyCounts counts = proxy_.counts();
  EXPECT_EQ(counts.connections, 1u);
  EXPECT_GT(counts.request_bytes, value.size());
  EXPECT_EQ(counts.reply_bytes, 5 + bulk(value).size() + 4 + 5);
  EXPECT_TRUE(becomes_closed());
}

TEST_F(FaultProxyTest, WorksOnAUnixSocketToo) {
  TempDirectory directory;
  FaultProxy proxy(proxy_.address(), "unix:" + directory.file("proxy.sock"));
  EXPECT_EQ(RespClient(proxy.address()).command({"PING"}), "PONG");
  EXPECT_EQ(proxy.counts().connections, 1u);
  EXPECT_EQ(proxy_.counts().connections, 1u);
}

TEST_F(FaultProxyTest, ABlackHoleAcceptsAndKeepsWhatItGets) {
  RespClient before(proxy_.address());
  ASSERT_EQ(before.command({"SET", "a", "1"}), "OK");
  const ProxyCounts counts = proxy_.counts();
  proxy_.set({.black_hole = true});
  RespClient inside(proxy_.address());
  before.send(RespClient::encode({"SET", "a", "2"}));
  inside.send(RespClient::encode({"PING"}));
  // A connection past the proxy shows that the server is well and has got nothing.
  EXPECT_EQ(RespClient(server_.address()).command({"GET", "a"}), "1");
  EXPECT_TRUE(wait_until([&] { return proxy_.counts().connections == 2; }, kLimit));
  EXPECT_EQ(proxy_.counts().request_bytes, counts.request_bytes);
  EXPECT_EQ(proxy_.counts().reply_bytes, counts.reply_bytes);
  proxy_.heal();
  EXPECT_EQ(before.reply(), "OK");
  EXPECT_EQ(inside.reply(), "PONG");
  EXPECT_EQ(RespClient(server_.address()).command({"GET", "a"}), "2");
}

TEST_F(FaultProxyTest, DelaysAndKeepsTheOrder) {
  RespClient client(proxy_.address());
  ASSERT_EQ(client.command({"SET", "a", "1"}), "OK");
  const auto begin = std::chrono::steady_clock::now();
  proxy_.set({.request_delay = Milliseconds(100), .reply_delay = Milliseconds(50)});
  client.send(RespClient::encode({"SET", "a", "2"}));
  EXPECT_EQ(client.reply(), "OK");
  // Not earlier: how much later depends on the machine.
  EXPECT_GE(std::chrono::steady_clock::now() - begin, Milliseconds(150));
  proxy_.set({.reply_delay = Milliseconds(200)});
  client.send(RespClient::encode({"GET", "a"}));
  ASSERT_TRUE(wait_until([&] { return proxy_.commands()["GET"] == 1; }, kLimit));
  proxy_.heal();
  client.send(RespClient::encode({"PING"}));
  EXPECT_EQ(client.reply(), "2");
  EXPECT_EQ(client.reply(), "PONG");
}

TEST_F(FaultProxyTest, ThrottlesEachDirection) {
  RespClient client(proxy_.address());
  proxy_.set({.bytes_per_second = 200'000});
  const std::string value(60'000, 'v');
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(client.command({"SET", "a", value}), "OK");
  ASSERT_TRUE(client.command({"GET", "a"}) == value);
  // Twice 0.3 s, but for the last slice of each direction.
  EXPECT_GE(std::chrono::steady_clock::now() - begin, Milliseconds(550));
}

TEST_F(FaultProxyTest, ASlowLinkSlowsItsSenderDown) {
  RespClient client(proxy_.address(), Milliseconds(300));
  proxy_.set({.bytes_per_second = 1000});
  // More than the proxy and the sockets can hold: the sender waits in vain.
  EXPECT_THROW(client.send(RespClient::encode({"SET", "a", std::string(64'000'000, 'v')})),
               std::runtime_error);
}

TEST_F(FaultProxyTest, PiecesArriveWhole) {
  proxy_.set({.piece_bytes = 1});
  RespClient client(proxy_.address());
  EXPECT_EQ(client.command({"SET", "a", "value"}), "OK");
  EXPECT_EQ(client.command({"GET", "a"}), "value");
}

TEST_F(FaultProxyTest, CutsARequestAfterSoManyBytes) {
  ASSERT_EQ(RespClient(proxy_.address()).command({"SET", "a", "old"}), "OK");
  const std::string set = RespClient::encode({"SET", "a", "new"});
  for (std::uint64_t bytes :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{20}, std::uint64_t{set.size() - 1}}) {
    const std::uint64_t passed = proxy_.counts().request_bytes;
    proxy_.next(MessageFault::cut_request("SET", bytes));
    RespClient client(proxy_.address());
    EXPECT_EQ(client.command({"PING"}), "PONG");  // not the command that was meant
    client.send(set);
    EXPECT_EQ(rest(client), "") << bytes;
    EXPECT_TRUE(becomes_closed());
    const std::uint64_t ping = RespClient::encode({"PING"}).size();
    EXPECT_EQ(proxy_.counts().request_bytes - passed, ping + bytes);
    EXPECT_EQ(RespClient(server_.address()).command({"GET", "a"}), "old");
  }
  EXPECT_EQ(proxy_.counts().faults, 4u);
}

TEST_F(FaultProxyTest, CutsAReplyAfterSoManyBytes) {
  ASSERT_EQ(RespClient(proxy_.address()).command({"SET", "a", "0123456789"}), "OK");
  for (std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{2}, std::uint64_t{8}}) {
    proxy_.next(MessageFault::cut_reply("GET", bytes));
    RespClient client(proxy_.address());
    ASSERT_EQ(client.command({"PING"}), "PONG");
    client.send(RespClient::encode({"GET", "a"}));
    EXPECT_EQ(rest(client), std::string("$10\r\n0123456789\r\n").substr(0, bytes));
  }
  RespClient client(proxy_.address());
  EXPECT_EQ(client.command({"GET", "a"}), "0123456789");  // once only
}

TEST_F(FaultProxyTest, ChangesTheChosenReplyOfAPipeline) {
  const std::string pipeline = RespClient::encode({"SET", "a", "1"}) +
                               RespClient::encode({"GET", "a"}) + RespClient::encode({"PING"});
  struct {
    MessageFault fault;
    std::string answers;
  } const cases[] = {
      {MessageFault::duplicate_reply("GET"), "+OK\r\n" + bulk("1") + bulk("1") + "+PONG\r\n"},
      {MessageFault::replace_reply("GET", "rubbish"), "+OK\r\nrubbish+PONG\r\n"},
      {MessageFault::extra_reply("PING", ":7\r\n"), "+OK\r\n" + bulk("1") + "+PONG\r\n:7\r\n"},
      {MessageFault::extra_reply("", ":7\r\n"), "+OK\r\n:7\r\n" + bulk("1") + "+PONG\r\n"},
  };
  for (const auto& [fault, answers] : cases) {
    proxy_.next(fault);
    RespClient client(proxy_.address());
    client.send(pipeline);
    std::string got;
    while (got.size() < answers.size()) got += client.raw();
    EXPECT_EQ(got, answers);
  }
}

TEST_F(FaultProxyTest, RefusesAndTakesUpAgainOnTheSameAddress) {
  RespClient old(proxy_.address());
  ASSERT_EQ(old.command({"PING"}), "PONG");
  for (int round = 0; round < 3; ++round) {
    proxy_.set({.refuse = true});
    EXPECT_THROW(RespClient(proxy_.address()), std::runtime_error);
    EXPECT_EQ(old.command({"PING"}), "PONG");  // only new ones are refused
    proxy_.heal();
    EXPECT_EQ(RespClient(proxy_.address()).command({"PING"}), "PONG");
  }
}

TEST_F(FaultProxyTest, EndsConnectionsGentlyAndWithAReset) {
  RespClient gently(proxy_.address());
  ASSERT_EQ(gently.command({"PING"}), "PONG");
  proxy_.close_connections();
  EXPECT_EQ(gently.raw(), "");
  RespClient rudely(proxy_.address());
  ASSERT_EQ(rudely.command({"PING"}), "PONG");
  proxy_.reset_connections();
  EXPECT_THROW(rudely.raw(), std::runtime_error);
  EXPECT_EQ(errno, ECONNRESET);
}

TEST_F(FaultProxyTest, AServerThatIsGoneClosesTheConnection) {
  FaultProxy proxy("127.0.0.1:1");
  RespClient client(proxy.address());
  EXPECT_EQ(client.raw(), "");
}

TEST_F(FaultProxyTest, TheProgramIsASlowLinkUntilItIsEnded) {
  TempDirectory directory;
  const std::string output = directory.file("out");
  Process program({.arguments = {TLOG_FAULT_PROXY, "--listen", "127.0.0.1:0", "--upstream",
                                 server_.address(), "--bytes-per-second", "1000000"},
                   .environment = {},
                   .directory = "",
                   .output_path = output,
                   .error_path = ""});
  ASSERT_TRUE(wait_until([&] { return read_text(output).ends_with("\n"); }, kLimit));
  const std::string line = read_text(output);
  const std::string address = line.substr(line.rfind(' ') + 1, line.size() - line.rfind(' ') - 2);
  EXPECT_EQ(RespClient(address).command({"PING"}), "PONG") << line;
  program.signal(SIGTERM);
  EXPECT_EQ(program.wait(kLimit).value_or(-1), 0);
  EXPECT_NE(read_text(output).find("connections 1, request bytes 14, reply bytes 7"),
            std::string::npos)
      << read_text(output);
  EXPECT_NE(
      run_command({TLOG_FAULT_PROXY, "--upstream", "nowhere", "--listen", "nowhere"}).exit_code, 0);
}

}  // namespace
}  // namespace tlog::testing
