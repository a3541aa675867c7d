// The logset protocol, line by line, of the real tlogserver, with curl and bare sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/http_request.h"
#include "tests/support/process.h"
#include "tests/support/tlogserver_process.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;

struct Logset : ::testing::Test {
  Logset() {
    write_text(directory.file("tlogdisk.yml"), "repos: {set: logs, Other.1: {directory: other}}\n");
    start({});
  }
  void start(std::vector<std::string> more) {
    std::vector<std::string> arguments{
        "--memorystorage", "--config", directory.file("tlogdisk.yml"),
        "--insecure",      "--logset", "127.0.0.1:0"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    server.reset();
    server.emplace(std::move(arguments));
  }
  std::string host() const { return server->logset().substr(7); }
  HttpReply post(const std::string& path, const std::string& body) const {
    return ask(host(), "POST " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" +
                           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  HttpReply push(const std::string& body) const { return post("/set/push", body); }
  std::string offsets() const { return http_get(host(), "/set/offsets").body; }
  std::string file(const std::string& log) const {
    return read_text(directory.file("logs/" + log));
  }

  const TempDirectory directory;
  std::optional<TlogserverProcess> server;
};

TEST_F(Logset, offsets) {
  const HttpReply none = http_get(host(), "/set/offsets");
  EXPECT_EQ(none.status, 200);
  EXPECT_EQ(none.body, "\n");
  EXPECT_THAT(none.head, HasSubstr("Content-Type: application/octet-stream"));
  EXPECT_EQ(push("b 0 2\nhia10 0 1\nxa9 0 1\ny").status, 200);
  EXPECT_EQ(offsets(), "a10 1\na9 1\nb 2\n\n") << "sorted by name";
  EXPECT_EQ(http_get(host(), "/Other.1/offsets").body, "\n");
}

TEST_F(Logset, push) {
  const HttpReply pushed = push(std::string("log 0 5\n\n\0hi!", 13));
  EXPECT_EQ(pushed.status, 200);
  EXPECT_EQ(pushed.body, "");
  EXPECT_EQ(file("log"), std::string("\n\0hi!", 5));
  EXPECT_EQ(push("").status, 200) << "no slice is a push too";
  EXPECT_EQ(push("log 5 1\n?log 6 2\n--log 8 1\n.").status, 200) << "adjoining slices";
  EXPECT_EQ(file("log").substr(5), "?--.");
  for (const char* wrong : {"log 0 1\nx", "log 8 1\nx", "log 10 1\nx", "none 1 1\nx"}) {
    EXPECT_EQ(push(wrong).status, 403) << wrong;
  }
  for (const char* wrong : {"log 9 0\n", "log 9\nx", "log -1 1\nx", "log 9 x\nx", "l.g 0 1\nx",
                            "log 9 2\nx", "log 9 1", "\n"}) {
    EXPECT_EQ(push(wrong).status, 400) << wrong;
  }
  EXPECT_EQ(file("log").size(), 9u) << "what was refused has left something";
  // What came whole before the refused one stays.
  EXPECT_EQ(push("log 9 1\n!log 3 1\nx").status, 403);
  EXPECT_EQ(push("log 10 1\n!log 11 9\nx").status, 400);
  EXPECT_EQ(file("log").substr(9), "!!");
}

TEST_F(Logset, push_in_the_smallest_chunks) {
  std::string request =
      "POST /set/push HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";
  for (char c : std::string("tiny 0 11\nPOST / HTTP/"))
    request += std::string("1\r\n") + c + "\r\n";
  // One byte too many: it begins a line that does not end.
  EXPECT_EQ(ask(host(), request + "0\r\n\r\n").status, 400);
  EXPECT_EQ(file("tiny"), "POST / HTTP");
  EXPECT_EQ(ask(host(),
                "POST /set/push HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                "9\r\ncut 0 5\nx\r\n")
                .status,
            0)
      << "a body that breaks off was answered";
  EXPECT_EQ(file("cut"), "");
}

TEST_F(Logset, pull) {
  ASSERT_EQ(push(std::string("a 0 4\nab\n\0c 0 2\ncc", 18)).status, 200);
  const HttpReply all = post("/set/pull", "\n");
  EXPECT_EQ(all.status, 200);
  const std::string offsets = "a 4\nc 2\n\n";
  const std::string whole = offsets + std::string("a 0 4\nab\n\0c 0 2\ncc", 18);
  EXPECT_EQ(all.body, whole);
  EXPECT_THAT(all.head, HasSubstr("Content-Length: " + std::to_string(whole.size())));
  EXPECT_THAT(all.head, HasSubstr("application/octet-stream"));
  EXPECT_EQ(post("/set/pull", "a 2\nc 2\n\n").body, offsets + std::string("a 2 2\n\n\0", 8));
  EXPECT_EQ(post("/set/pull", "a 9\nc 2\nnobodys 7\n\n").body, offsets);
  EXPECT_EQ(post("/set/pull", "a 0\na 4\nc 9\n\n").body, offsets) << "the last one counts";
  EXPECT_EQ(post("/set/pull", "a +2\r\nc 02\n\n").body, offsets + std::string("a 2 2\n\n\0", 8));
  for (const char* wrong : {"", "a 2\n", "a 2", "a -2\n\n", "a x\n\n", "a.b 1\n\n", "a\n\n"}) {
    EXPECT_EQ(post("/set/pull", wrong).status, 400) << wrong;
  }
  EXPECT_EQ(post("/set/pull", std::string(1000, 'x')).status, 400) << "a line without end";
}

TEST_F(Logset, other_places_and_methods) {
  for (const char* path : {"/", "/set", "/set/", "/none/offsets", "/set/offsets/", "/set/other",
                           "/../set/offsets", "/set//offsets", "/se%20t/offsets"}) {
    EXPECT_EQ(http_get(host(), path).status, 404) << path;
  }
  EXPECT_EQ(post("/none/push", "a 0 1\nx").status, 404);
  const HttpReply get = http_get(host(), "/set/push");
  EXPECT_EQ(get.status, 405);
  EXPECT_THAT(get.head, HasSubstr("Allow: POST"));
  EXPECT_EQ(http_get(host(), "/set/pull").status, 405);
  EXPECT_EQ(post("/set/offsets", "").status, 405);
}

TEST_F(Logset, a_large_slice_and_an_open_pull) {
  std::string large(9'000'000, '\0');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 7 + i / 255);
  write_text(directory.file("body"), "large 0 9000000\n" + large);
  for (const char* coding : {"Transfer-Encoding: chunked", "X-None: 1"}) {
    const auto pushed = run_command({"curl", "-sS", "--max-time", "30", "-w", "%{http_code}", "-H",
                                     coding, "--data-binary", "@" + directory.file("body"),
                                     server->logset() + "/set/push"});
    EXPECT_EQ(pushed.output, coding[0] == 'T' ? "200"
                                              : "logset: slice: log 'large' ends at 9000000, the "
                                                "slice begins at 0; ask for the offsets and send "
                                                "what is missing\n403");
  }
  EXPECT_TRUE(file("large") == large);
  const auto pulled = run_command(
      {"curl", "-sS", "--max-time", "30", "--data-binary", "\n", server->logset() + "/set/pull"});
  EXPECT_TRUE(pulled.output == "large 9000000\n\nlarge 0 9000000\n" + large);
}

TEST_F(Logset, a_token) {
  write_text(directory.file("token"), "0123456789abcdef\n", 0600);
  start({"--token-file", directory.file("token")});
  EXPECT_EQ(http_get(host(), "/set/offsets").status, 401);
  EXPECT_EQ(ask(host(),
                "GET /set/offsets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                "Authorization: Bearer 0123456789abcdef\r\n\r\n")
                .status,
            200);
}

TEST_F(Logset, what_cannot_be_offered_is_said_at_the_start) {
  const auto refused = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     {TlogserverProcess::program(), "--memorystorage", "--address", "127.0.0.1:0"});
    return run_command(arguments).text();
  };
  EXPECT_THAT(refused({"--logset", "127.0.0.1:0"}), HasSubstr("repos"));
  EXPECT_THAT(refused({"--token-file", "x"}), HasSubstr("--logset"));
  const std::string config = directory.file("tlogdisk.yml");
  EXPECT_THAT(refused({"--insecure", "--config", config, "--logset", "127.0.0.1:0"}),
              HasSubstr("another process has this directory"));
  write_text(directory.file("free.yml"), "repos: {set: free}\n");
  EXPECT_THAT(refused({"--config", directory.file("free.yml"), "--logset", "0.0.0.0:0"}),
              HasSubstr("--insecure"));
  write_text(directory.file("none.yml"), "journal: {io: auto}\n");
  EXPECT_THAT(refused({"--config", directory.file("none.yml"), "--logset", "127.0.0.1:0"}),
              HasSubstr("vdisks"));
}

}  // namespace
}  // namespace tlog::testing
