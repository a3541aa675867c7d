// ArdbDouble: it must have each of ardb's quirks, or what passes on it says nothing about ardb.
#include "tests/support/ardb_double.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/resp_client.h"

namespace tlog::testing {
namespace {

class ArdbDoubleTest : public ::testing::Test {
 protected:
  ArdbDouble server_;
  RespClient client_{server_.address()};
};

TEST_F(ArdbDoubleTest, HangsUpAfterAnUnknownCommand) {
  for (const std::string command : {"HELLO", "EVAL", "WAIT", "ROLE", "OBJECT", "MULTI"}) {
    RespClient client(server_.address());
    client.send(RespClient::encode({"PING"}) + RespClient::encode({command, "3"}) +
                RespClient::encode({"PING"}));
    EXPECT_EQ(client.reply(), "PONG");
    EXPECT_EQ(client.reply(), "-ERR unknown command:" + command);
    EXPECT_ANY_THROW(client.reply()) << command;
  }
}

TEST_F(ArdbDoubleTest, AuthTakesOneArgument) {
  EXPECT_EQ(client_.command({"AUTH", "x"}), "-ERR Client sent AUTH, but no password is set");
  ArdbDouble server({.password = "right"});
  RespClient client(server.address());
  EXPECT_EQ(client.command({"GET", "a"}), "-ERR ##Unknown error code:-1004");
  EXPECT_EQ(client.command({"AUTH", "default", "right"}),
            "-ERR wrong number of arguments for 'auth' command");
  EXPECT_EQ(client.command({"AUTH", "wrong"}), "-ERR invalid password");
  EXPECT_EQ(client.command({"GET", "a"}), "-ERR ##Unknown error code:-1004");
  EXPECT_EQ(client.command({"AUTH", "right"}), "OK");
  EXPECT_EQ(client.command({"GET", "a"}), "(nil)");
}

TEST_F(ArdbDoubleTest, SaysWhatItIs) {
  const std::string info = client_.command({"INFO", "server"});
  EXPECT_NE(info.find("ardb_version:"), std::string::npos);
  EXPECT_NE(info.find("redis_version:2.8.0"), std::string::npos);
  EXPECT_NE(info.find("engine:rocksdb"), std::string::npos);
  EXPECT_EQ(client_.command({"CONFIG", "GET", "maxmemory-policy"}), "");
  EXPECT_EQ(client_.command({"CONFIG", "SET", "appendfsync", "always"}), "OK");
  server_.restart();
  EXPECT_ANY_THROW(client_.command({"PING"}));
  EXPECT_NE(RespClient(server_.address()).command({"INFO"}), info);  // another run_id
}

TEST_F(ArdbDoubleTest, TypesAreConfusedSilently) {
  ASSERT_EQ(client_.command({"SET", "text", "x"}), "OK");
  ASSERT_EQ(client_.command({"HSET", "hash", "f", "1"}), "1");
  EXPECT_EQ(client_.command({"HSET", "hash", "f", "2", "g", "3"}), "1");
  EXPECT_EQ(client_.command({"HMGET", "hash", "f", "g", "h"}), "2 3 (nil)");
  EXPECT_EQ(client_.command({"HGET", "text", "f"}), "(nil)");
  EXPECT_EQ(client_.command({"GET", "hash"}), "(nil)");
  EXPECT_EQ(client_.command({"HSETNX", "hash", "f", "4"}), "0");
  EXPECT_EQ(client_.command({"HDEL", "hash", "f", "g"}), "2");
  EXPECT_EQ(client_.command({"EXISTS", "hash"}), "0");
  EXPECT_EQ(client_.command({"EXISTS", "hash", "text"}),
            "-ERR wrong number of arguments for 'exists' command");
  EXPECT_EQ(client_.command({"UNLINK", "text", "none"}), "1");
}

TEST_F(ArdbDoubleTest, SetKnowsFewOptions) {
  EXPECT_EQ(client_.command({"SET", "a", "1", "NX"}), "OK");
  EXPECT_EQ(client_.command({"SET", "a", "2", "NX"}), "(nil)");
  EXPECT_EQ(client_.command({"SET", "a", "2", "GET"}), "-ERR syntax error");
  EXPECT_EQ(client_.command({"GET", "a"}), "1");
}

TEST_F(ArdbDoubleTest, AnyWordIsADatabase) {
  EXPECT_EQ(client_.command({"SELECT", "vdisks"}), "OK");
  EXPECT_EQ(client_.command({"SET", "a", "1"}), "OK");
  EXPECT_EQ(client_.command({"SELECT", "16"}), "OK");
  EXPECT_EQ(client_.command({"GET", "a"}), "(nil)");
}

TEST_F(ArdbDoubleTest, ScanGoesThroughTheKeysInOrder) {
  std::set<std::string> keys;
  for (int i = 0; i < 57; ++i) {
    keys.insert("k" + std::to_string(i));
    ASSERT_EQ(client_.command({"SET", "k" + std::to_string(i), "x"}), "OK");
  }
  ASSERT_EQ(client_.command({"SET", "other", "x"}), "OK");
  EXPECT_EQ(client_.command({"SCAN", "0", "TYPE", "string"}),
            "-ERR wrong number of arguments for 'scan' command");
  std::vector<std::string> found;
  std::string cursor = "0";
  do {
    std::string page = client_.command({"SCAN", cursor, "MATCH", "k*", "COUNT", "7"}) + " ";
    cursor = page.substr(0, page.find(' '));
    for (std::size_t at = cursor.size() + 1; at < page.size(); at = page.find(' ', at) + 1) {
      const std::string key = page.substr(at, page.find(' ', at) - at);
      if (!key.empty()) found.push_back(key);
    }
  } while (cursor != "0");
  EXPECT_EQ(found, std::vector<std::string>(keys.begin(), keys.end()));
}

TEST_F(ArdbDoubleTest, AFullDiskRefusesWritesOnly) {
  ASSERT_EQ(client_.command({"SET", "a", "1"}), "OK");
  server_.set_full(true);
  EXPECT_EQ(client_.command({"SET", "a", "2"}), "-ERR IO error: No space left on device");
  EXPECT_EQ(client_.command({"GET", "a"}), "1");
  server_.set_full(false);
  server_.set_replica(true);
  EXPECT_EQ(client_.command({"SET", "a", "2"}),
            "-READONLY You can't write against a read only slave.");
}

TEST_F(ArdbDoubleTest, WhatIsMalformedIsNeverAnswered) {
  RespClient client(server_.address(), Milliseconds(300));
  client.send("*1\r\n$-5\r\n");
  client.send(RespClient::encode({"PING"}));
  EXPECT_THROW(client.reply(), std::runtime_error);
}

TEST_F(ArdbDoubleTest, KeepsBinaryValuesAndPipelines) {
  std::string value(1 << 20, '\0');
  for (std::size_t i = 0; i < value.size(); ++i) value[i] = static_cast<char>(i * 31);
  std::string pipeline;
  for (int i = 0; i < 20; ++i)
    pipeline += RespClient::encode({"SET", "k" + std::to_string(i), value + std::to_string(i)});
  client_.send(pipeline);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client_.reply(), "OK");
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(client_.command({"GET", "k" + std::to_string(i)}) == value + std::to_string(i));
  }
  EXPECT_EQ(client_.command({"SET", "empty", ""}), "OK");
  EXPECT_EQ(client_.command({"GET", "empty"}), "");
  EXPECT_EQ(client_.command({"STRLEN", "k3"}), std::to_string(value.size() + 1));
}

}  // namespace
}  // namespace tlog::testing
