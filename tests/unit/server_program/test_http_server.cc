// The pages: GET and HEAD only, and nobody who talks badly or not at all keeps others out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>

#include "server/program/http_server.h"
#include "tests/support/http_request.h"
#include "tests/support/loopback.h"

namespace tlog::program {
namespace {

using testing::ask;
using ::testing::HasSubstr;
using testing::http_get;
using ::testing::Not;

struct Pages : ::testing::Test {
  Pages() {
    auto started = HttpServer::start("127.0.0.1:0", [](const std::string& path) {
      if (path == "/throws") throw std::runtime_error("secret");
      return HttpAnswer{.status = path == "/here" ? 200u : 404u, .body = "the page\n"};
    });
    if (!started) throw std::runtime_error(started.error().message());
    server = std::move(*started);
  }
  std::unique_ptr<HttpServer> server;
};

TEST_F(Pages, get_and_head) {
  EXPECT_THAT(server->address(), Not(HasSubstr(":0")));
  const auto got = http_get(server->address(), "/here");
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.body, "the page\n");
  EXPECT_THAT(got.head, HasSubstr("nosniff"));
  const auto head = ask(server->address(), "HEAD /here HTTP/1.0\r\n\r\n");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(http_get(server->address(), "/there").status, 404);
  EXPECT_EQ(http_get(server->address(), "/here?x=1").status, 200);
}

TEST_F(Pages, nothing_can_be_changed) {
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "get", "BREW"}) {
    const auto answer =
        ask(server->address(), std::string(method) +
                                   " /here HTTP/1.1\r\nHost: x\r\n"
                                   "Connection: close\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(answer.status, 405) << method;
    EXPECT_THAT(answer.head, HasSubstr("Allow: GET, HEAD")) << method;
  }
}

// Whatever is said, the answer is an error or the end of the connection, and the next one is
// served.
TEST_F(Pages, garbage_and_endless_requests_harm_nobody) {
  const std::string endless = "GET /here HTTP/1.1\r\nX: " + std::string(200'000, 'x');
  for (const std::string& bad :
       {std::string("\0\1\2\r\n\r\n", 7), std::string("GET\r\n\r\n"), endless,
        std::string("GET /" + std::string(100'000, 'a') + " HTTP/1.1\r\n\r\n"),
        std::string("POST /here HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nabc")}) {
    EXPECT_NE(ask(server->address(), bad).status, 200);
    EXPECT_EQ(http_get(server->address(), "/here").status, 200);
  }
}

TEST_F(Pages, silent_connections_do_not_keep_others_out) {
  std::vector<testing::Descriptor> silent;
  for (int i = 0; i < 10; ++i) silent.push_back(testing::connect_to(server->address()));
  EXPECT_EQ(http_get(server->address(), "/here").status, 200);
}

// From one of the addresses of loopback.
testing::Descriptor connect_from(const std::string& host, const std::string& to) {
  testing::Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const testing::SocketAddress from(host + ":0");
  const testing::SocketAddress address(to);
  if (::bind(socket.number(), from.get(), from.length) != 0 ||
      ::connect(socket.number(), address.get(), address.length) != 0) {
    throw std::runtime_error("connect from " + host);
  }
  return socket;
}

// Each begins a request and does not end it.
TEST_F(Pages, slow_clients_of_many_addresses_keep_nobody_out) {
  std::vector<testing::Descriptor> slow;
  const std::string begun = "GET /here HT";
  for (int host = 2; host < 10; ++host) {
    for (int i = 0; i < 40; ++i) {
      slow.push_back(connect_from("127.0.0." + std::to_string(host), server->address()));
      (void)::send(slow.back().number(), begun.data(), begun.size(), MSG_NOSIGNAL);
    }
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(http_get(server->address(), "/here").status, 200);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  }
}

TEST_F(Pages, an_exception_is_an_error_without_its_text) {
  const auto answer = http_get(server->address(), "/throws");
  EXPECT_EQ(answer.status, 500);
  EXPECT_THAT(answer.body, Not(HasSubstr("secret")));
}

TEST_F(Pages, an_address_in_use_is_named) {
  const auto second =
      HttpServer::start(server->address(), [](const std::string&) { return HttpAnswer{}; });
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error().message(), HasSubstr(server->address()));
  EXPECT_FALSE(HttpServer::start("nowhere.invalid:1", [](const std::string&) {
                 return HttpAnswer{};
               }).has_value());
}

}  // namespace
}  // namespace tlog::program
