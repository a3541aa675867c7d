// The server of gateways, against curl and against bare sockets that are slow, rude, huge or gone:
// what must not happen is that one hinders another, that a body which did not arrive whole is
// answered as if it had, or that the server cannot stop.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "gateways/http/http_server.h"
#include "tests/support/http_request.h"
#include "tests/support/loopback.h"
#include "tests/support/process.h"
#include "tests/support/temp_directory.h"
#include "tests/unit/gateway_http/echo_gateway.h"

namespace tlog::gateway {
namespace {

using testing::ask;
using ::testing::HasSubstr;
using testing::http_get;
using testing::Milliseconds;
using ::testing::Not;
using ::testing::StartsWith;
using testing::wait_until;

constexpr Milliseconds kLong{20'000};

struct GatewayServed : ::testing::Test {
  void serve(HttpServerOptions options = {}) {
    auto started = HttpServer::start("127.0.0.1:0", options, echo_handler(state));
    if (!started) throw std::runtime_error(started.error().message());
    server = std::move(*started);
  }
  testing::CommandResult curl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"curl", "-sS", "--max-time", "30"});
    return testing::run_command(arguments);
  }
  std::string url(const std::string& path) const { return server->url() + path; }
  testing::Descriptor said(const std::string& text) {
    testing::Descriptor socket = testing::connect_to(server->address());
    EXPECT_EQ(::send(socket.number(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
    return socket;
  }

  EchoState state;
  std::unique_ptr<HttpServer> server;
};

// Until the other side has closed; "" too when it was reset.
std::string hear(const testing::Descriptor& socket) {
  std::string heard;
  pollfd waiting{.fd = socket.number(), .events = POLLIN, .revents = 0};
  char piece[4096];
  while (::poll(&waiting, 1, 20'000) == 1) {
    const ssize_t got = ::recv(socket.number(), piece, sizeof piece, 0);
    if (got <= 0) break;
    heard.append(piece, static_cast<std::size_t>(got));
  }
  return heard;
}

TEST_F(GatewayServed, a_request_is_seen_as_it_was_sent) {
  serve();
  const auto got = curl({url("/%61bout?a=1&b=%20x&a=2&c")});
  EXPECT_EQ(got.output, "GET /about a=1 b= x a=2 c= length:unknown near\n");
  const auto about = curl({"-H", "X-Own: yes", "-d", "12345", url("/about?a=1&b=%20x&a=2&c")});
  EXPECT_EQ(about.output, "POST /about a=1 b= x a=2 c= own:yes length:5 near\n");
}

TEST_F(GatewayServed, bodies_come_whole_chunked_or_not) {
  serve();
  const testing::TempDirectory directory;
  std::string body;
  for (int i = 0; i < 300'000; ++i) body += static_cast<char>(i * 7);
  testing::write_text(directory.file("body"), body);
  const std::string data = "@" + directory.file("body");
  EXPECT_EQ(curl({"--data-binary", data, url("/echo")}).output, body);
  EXPECT_EQ(curl({"-H", "Transfer-Encoding: chunked", "--data-binary", data, url("/echo")}).output,
            body);
  // In chunks of one byte.
  std::string request =
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
      "Connection: close\r\n\r\n";
  for (char c : std::string("tiny\0chunks", 11)) request += std::string("1\r\n") + c + "\r\n";
  EXPECT_EQ(ask(server->address(), request + "0\r\n\r\n").body, std::string("tiny\0chunks", 11));
}

TEST_F(GatewayServed, a_connection_is_used_again) {
  serve();
  const auto got =
      curl({"-w", "%{num_connects} ", "-d", "one", url("/echo"), url("/echo"), url("/about")});
  EXPECT_EQ(got.output, "one1 one0 POST /about length:3 near\n0 ");
  const auto refused =
      curl({"-w", "%{http_code} %{num_connects} ", "-o", "/dev/null", "-d",
            std::string(50'000, 'x'), url("/picky"), "-o", "/dev/null", url("/picky")});
  EXPECT_EQ(refused.output, "403 1 403 0 ") << "the rest of the body was not read";
}

TEST_F(GatewayServed, answers_by_name) {
  serve();
  EXPECT_EQ(http_get(server->address(), "/nothing").status, 404);
  const auto wrong =
      ask(server->address(), "DELETE /reads HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_THAT(wrong.head, HasSubstr("Allow: GET, HEAD"));
  const auto thrown = http_get(server->address(), "/throws");
  EXPECT_EQ(thrown.status, 500);
  EXPECT_THAT(thrown.body, Not(HasSubstr("secret")));
  const auto head = curl({"-I", url("/known")});
  EXPECT_THAT(head.output, HasSubstr("Content-Length: 1000000")) << head.text();
}

TEST_F(GatewayServed, streams_with_a_length_and_without) {
  serve();
  const auto known = curl({"-i", url("/known")});
  EXPECT_THAT(known.output, HasSubstr("Content-Length: 1000000\r\n"));
  EXPECT_THAT(known.output, Not(HasSubstr("chunked")));
  const auto unknown = curl({"-i", url("/unknown")});
  EXPECT_THAT(unknown.output, HasSubstr("Transfer-Encoding: chunked\r\n"));
  const auto body_of = [](const std::string& text) {
    return text.substr(text.find("\r\n\r\n") + 4);
  };
  EXPECT_EQ(body_of(known.output).size(), 1'000'000u);
  EXPECT_EQ(body_of(known.output), body_of(unknown.output));
  const auto broken = curl({url("/broken"), "-o", "/dev/null"});
  EXPECT_FALSE(broken.ok()) << "a stream that broke looked complete";
}

TEST_F(GatewayServed, malformed_requests_are_told_so) {
  serve();
  const std::string end = "Host: x\r\nConnection: close\r\n";
  for (const std::string& bad : {
           std::string("GET /%zz HTTP/1.1\r\n" + end + "\r\n"),
           std::string("GET /a%00b HTTP/1.1\r\n" + end + "\r\n"),
           std::string("GET /a%2fb HTTP/1.1\r\n" + end + "\r\n"),
           std::string("GET /?a=%1 HTTP/1.1\r\n" + end + "\r\n"),
           std::string("POST /echo HTTP/1.1\r\n" + end + "Content-Length: x\r\n\r\n"),
           std::string("POST /echo HTTP/1.1\r\n" + end +
                       "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
           std::string("POST /echo HTTP/1.1\r\n" + end +
                       "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
           std::string("POST /echo HTTP/1.1\r\n" + end +
                       "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
       }) {
    EXPECT_EQ(ask(server->address(), bad).status, 400) << bad;
  }
  for (const std::string& bad :
       {std::string("\0\1\2\r\n\r\n", 7), std::string("GET\r\n\r\n"),
        "GET /echo HTTP/1.1\r\nX: " + std::string(200'000, 'x'),
        std::string(
            "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")}) {
    const auto answer = ask(server->address(), bad);
    EXPECT_NE(answer.status, 200) << bad.substr(0, 60);
  }
  EXPECT_EQ(http_get(server->address(), "/about").status, 200);
}

TEST_F(GatewayServed, long_bodies_are_refused) {
  serve({.body_bytes_max = 100'000});
  EXPECT_EQ(
      curl({"-w", "%{http_code}", "-d", std::string(100'000, 'x'), "-o", "/dev/null", url("/echo")})
          .output,
      "200");
  const testing::TempDirectory directory;
  testing::write_text(directory.file("body"), std::string(100'001, 'x'));
  const std::string data = "@" + directory.file("body");
  for (const char* coding : {"X-None: 1", "Transfer-Encoding: chunked", "Expect: 100-continue"}) {
    EXPECT_EQ(curl({"-w", "%{http_code}", "-H", coding, "--data-binary", data, "-o", "/dev/null",
                    url("/echo")})
                  .output,
              "413")
        << coding;
  }
  // Told without waiting for it.
  const auto told =
      hear(said("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"));
  EXPECT_THAT(told, StartsWith("HTTP/1.1 413"));
  const auto asked =
      hear(said("POST /refused HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                "Content-Length: 10\r\n\r\n"));
  EXPECT_THAT(asked, StartsWith("HTTP/1.1 403"));
  // Without end: it is dropped, in the end the connection too.
  std::string endless = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string chunk = "10000\r\n" + std::string(65536, 'x') + "\r\n";
  for (int i = 0; i < 64; ++i) endless += chunk;
  EXPECT_NE(ask(server->address(), endless).status, 200);
}

TEST_F(GatewayServed, who_waits_hinders_nobody) {
  serve({.connections_max = 100, .per_address_max = 100});
  const std::string waits = "GET /waits HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  std::vector<testing::Descriptor> blocked;
  for (int i = 0; i < 40; ++i) blocked.push_back(said(waits));
  ASSERT_TRUE(wait_until([&] { return state.waiting == 40; }, kLong));
  EXPECT_EQ(http_get(server->address(), "/about").status, 200);
  state.let_go();
  for (const auto& socket : blocked) EXPECT_THAT(hear(socket), StartsWith("HTTP/1.1 200"));
}

// The limit is told by closing, and is free again when they have gone.
TEST_F(GatewayServed, connections_are_limited) {
  serve({.connections_max = 8, .per_address_max = 4});
  std::vector<testing::Descriptor> held;
  for (int i = 0; i < 4; ++i) held.push_back(said("GET /about HTTP/1.1\r\n"));
  ASSERT_TRUE(wait_until([&] { return http_get(server->address(), "/about").status == 0; }, kLong));
  held.clear();
  EXPECT_TRUE(
      wait_until([&] { return http_get(server->address(), "/about").status == 200; }, kLong));
}

TEST_F(GatewayServed, silence_ends_a_connection_but_our_own_time_does_not) {
  serve({.idle_seconds = 1});
  const auto half_headers = said("GET /about HTTP/1.1\r\nHo");
  const auto half_body = said("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
  const auto nothing = said("");
  const auto slow = said("GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  // The three end by the clock of the server; the answer below takes longer than all of them.
  EXPECT_THAT(hear(half_headers), Not(HasSubstr("200")));
  EXPECT_THAT(hear(half_body), Not(HasSubstr("200")));
  EXPECT_EQ(hear(nothing), "");
  const auto another = said("");
  EXPECT_EQ(hear(another), "");  // another second
  EXPECT_TRUE(wait_until([&] { return state.cut_short == 1; }, kLong));
  state.let_go();
  EXPECT_THAT(hear(slow), StartsWith("HTTP/1.1 200"));
}

TEST_F(GatewayServed, a_body_that_breaks_off_is_never_answered) {
  serve();
  for (const char* begun :
       {"Content-Length: 9\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"}) {
    const int before = state.cut_short;
    said("POST /echo HTTP/1.1\r\nHost: x\r\n" + std::string(begun)) = testing::Descriptor();
    EXPECT_TRUE(wait_until([&] { return state.cut_short == before + 1; }, kLong)) << begun;
  }
}

TEST_F(GatewayServed, stops_while_all_is_under_way) {
  serve();
  const auto waiting = said("GET /waits HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto sending = said("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
  const auto reading = said("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n");  // and does not read
  const auto idle = said("");
  ASSERT_TRUE(wait_until([&] { return state.waiting == 1; }, kLong));
  const std::string address = server->address();
  server->stop(0);
  EXPECT_GE(state.cancelled, 1);
  EXPECT_THAT(hear(sending), Not(HasSubstr("200")));
  EXPECT_THROW(testing::connect_to(address), std::runtime_error);
}

TEST_F(GatewayServed, what_ends_in_time_is_answered_before_the_end) {
  serve();
  const auto waiting = said("GET /waits HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(wait_until([&] { return state.waiting == 1; }, kLong));
  std::thread stopping([&] { server->stop(60'000'000'000); });
  state.let_go();
  EXPECT_THAT(hear(waiting), StartsWith("HTTP/1.1 200"));
  stopping.join();
  EXPECT_EQ(state.cancelled, 0);
}

}  // namespace
}  // namespace tlog::gateway
