// What is said to a redis-protocol server, and what its answers mean.
#include "tlog/store/resp_protocol.h"

#include <gtest/gtest.h>

namespace tlog::store {
namespace {

TEST(RespProtocol, CommandsAreExact) {
  EXPECT_EQ(encode_command({"GET", "a:b"}), "*2\r\n$3\r\nGET\r\n$3\r\na:b\r\n");
  EXPECT_EQ(encode_command({"GET", ""}), "*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
  EXPECT_EQ(encode_set_head("key", 1234567), "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$1234567\r\n");
}

TEST(RespProtocol, APrefixIsNoPattern) {
  EXPECT_EQ(prefix_pattern("tlog:vm1:"), "tlog:vm1:*");
  EXPECT_EQ(prefix_pattern("a*b?[c]\\"), "a\\*b\\?\\[c\\]\\\\*");
}

TEST(RespProtocol, ErrorRepliesHaveAMeaning) {
  struct {
    std::string text;
    Code code;
  } const cases[] = {
      {"OOM command not allowed when used memory > 'maxmemory'.", Code::kNoSpace},
      {"MISCONF Errors writing to the AOF file: No space left on device", Code::kNoSpace},
      {"ERR IO error: No space left on device", Code::kNoSpace},
      {"READONLY You can't write against a read only replica.", Code::kInvalidArgument},
      {"NOREPLICAS Not enough good replicas to write.", Code::kUnavailable},
      {"LOADING Redis is loading the dataset in memory", Code::kUnavailable},
      {"BUSY Redis is busy running a script.", Code::kUnavailable},
      {"MASTERDOWN Link with MASTER is down", Code::kUnavailable},
      {"ERR max number of clients reached", Code::kUnavailable},
      {"NOAUTH Authentication required.", Code::kInvalidArgument},
      {"WRONGPASS invalid username-password pair or user is disabled.", Code::kInvalidArgument},
      {"ERR ##Unknown error code:-1004", Code::kInvalidArgument},
      {"ERR Client sent AUTH, but no password is set", Code::kInvalidArgument},
      {"MOVED 3999 127.0.0.1:6381", Code::kInvalidArgument},
      {"CLUSTERDOWN The cluster is down", Code::kInvalidArgument},
      {"WRONGTYPE Operation against a key holding the wrong kind of value", Code::kCorruption},
      {"ERR something new", Code::kIoError},
  };
  for (const auto& [text, code] : cases) {
    Error error = error_of_reply(text);
    EXPECT_EQ(error.code(), code) << text;
    EXPECT_NE(error.message().find(text), std::string::npos);
  }
}

constexpr std::string_view kRedisInfo =
    "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\n\r\n# Persistence\r\nloading:0\r\n"
    "# Replication\r\nrole:master\r\n# "
    "Cluster\r\ncluster_enabled:0\r\nmaxmemory_policy:noeviction\r\n";

std::string with(std::string_view from, std::string_view to) {
  std::string text(kRedisInfo);
  return text.replace(text.find(from), from.size(), to);
}

TEST(RespProtocol, AnOrdinaryServerIsAccepted) {
  ServerInfo info = parse_info(kRedisInfo);
  EXPECT_TRUE(check_server(info));
  EXPECT_EQ(info.eviction_policy, "noeviction");
  EXPECT_TRUE(check_eviction_policy(info.eviction_policy));
  ServerInfo ardb = parse_info(
      "# Server\r\nardb_version:0.10.0\r\nredis_version:2.8.0\r\nengine:rocksdb\r\nrole:master");
  EXPECT_TRUE(ardb.is_ardb);
  EXPECT_TRUE(check_server(ardb));
  EXPECT_TRUE(check_server(parse_info("")));
}

TEST(RespProtocol, ServersThatLoseDataAreRefused) {
  EXPECT_EQ(check_server(parse_info("ardb_version:0.10\r\nengine:lmdb\r\n")).error().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(check_server(parse_info(with("cluster_enabled:0", "cluster_enabled:1"))).error().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(check_server(parse_info(with("role:master", "role:slave"))).error().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(check_server(parse_info(with("loading:0", "loading:1"))).error().code(),
            Code::kUnavailable);
  EXPECT_EQ(check_eviction_policy("allkeys-lru").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(check_eviction_policy("volatile-ttl").error().code(), Code::kInvalidArgument);
}

TEST(RespProtocol, RepliesArriveInAnyPieces) {
  std::string stream =
      "+OK\r\n-ERR no\r\n:42\r\n$-1\r\n$3\r\na\rb\r\n*2\r\n$1\r\n0\r\n*2\r\n$1\r\nx\r\n$0\r\n\r\n";
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    RespParser parser;
    std::vector<RespReply> replies;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      ASSERT_TRUE(parser.feed(bytes_of(std::string_view(stream).substr(at, step))));
      for (auto reply = parser.next(); reply && *reply; reply = parser.next()) {
        replies.push_back(std::move(**reply));
      }
    }
    ASSERT_EQ(replies.size(), 6u) << "step " << step;
    EXPECT_EQ(replies[0].text, "OK");
    EXPECT_EQ(replies[1].type, RespReply::Type::kError);
    EXPECT_EQ(replies[2].integer, 42);
    EXPECT_EQ(replies[3].type, RespReply::Type::kNil);
    EXPECT_EQ(replies[4].value_text(), "a\rb");
    ASSERT_EQ(replies[5].elements.size(), 2u);
    EXPECT_EQ(replies[5].elements[1].elements[0].value_text(), "x");
    EXPECT_EQ(replies[5].elements[1].elements[1].value_text(), "");
  }
}

TEST(RespProtocol, GarbageIsAnErrorAndNothingElse) {
  for (std::string text :
       {"hello\r\n", "*2147483647\r\n", "*-7\r\n", "$-5\r\n", "$99999999999999999999\r\n", ":x\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"}) {
    RespParser parser;
    ASSERT_TRUE(parser.feed(bytes_of(std::string_view(text))));
    auto reply = parser.next();
    EXPECT_FALSE(reply.has_value()) << text;
  }
}

}  // namespace
}  // namespace tlog::store
