// Goal: a command or a reply that is cut, doubled, or not what was asked for is never taken for an
// answer: neither a value nor "stored" nor "absent".
// Method: FaultProxy changes the command or reply of each kind of call, and of the handshake, at
// many places, over real redis and over a double of ardb.
#include "tests/fault/store/proxy_fixture.h"

namespace tlog::store {
namespace {

using testing::MessageFault;

class RespStoreReplies : public RespStoreBehindProxy {
 protected:
  // A call of the store. Its answer must be right or an error that may pass; true: it was right.
  struct Call {
    std::string command;
    std::function<bool(Store&)> run;
  };
  static bool right(const Status& status) {
    if (status) return true;
    EXPECT_TRUE(may_pass(status.error())) << status.error().message();
    return false;
  }
  template <class T>
  static bool right(const Result<T>& answer, const T& wanted) {
    if (!answer) {
      EXPECT_TRUE(may_pass(answer.error())) << answer.error().message();
      return false;
    }
    EXPECT_TRUE(*answer == wanted);
    return true;
  }
  std::vector<Call> calls() {
    return {
        {"SET", [](Store& s) { return right(put(s, "set", value_of(3))); }},
        {"GET", [](Store& s) { return right(get(s, key_of(5)), value_of(5)); }},
        {"STRLEN",
         [](Store& s) {
           return right(stat(s, key_of(5)), static_cast<std::uint64_t>(value_of(5).size()));
         }},
        {"SCAN",
         [](Store& s) {
           return right(scan(s, "value:", key_of(21), 10),
                        std::vector<std::string>{key_of(22), key_of(23)});
         }},
        {"DEL", [](Store& s) { return right(remove(s, "never there")); }},
    };
  }
  bool happened(std::uint64_t before) { return proxy_->counts().faults > before; }
};
TLOG_ON_EACH_SERVER(RespStoreReplies);

TEST_P(RespStoreReplies, ARequestCutAnywhereIsNotAnswered) {
  Store& store = open_up(hasty());
  for (const Call& call : calls()) {
    for (std::uint64_t bytes : {0, 1, 5, 14, 22, 30, 40}) {
      const std::uint64_t before = proxy_->counts().faults;
      proxy_->next(MessageFault::cut_request(call.command, bytes));
      const bool was_right = call.run(store);
      EXPECT_EQ(was_right, !happened(before)) << call.command << " cut after " << bytes;
      proxy_->heal();
      ASSERT_TRUE(heals(store));
      ASSERT_TRUE(call.run(store)) << call.command << " after a cut at " << bytes;
    }
  }
  expect_whole_again(store);
}

TEST_P(RespStoreReplies, AValueCutOnItsWayToTheServerIsNotStored) {
  Store& store = open_up(hasty());
  const std::string value = value_of(7);  // 200 KB
  for (std::uint64_t bytes : {std::uint64_t{40}, std::uint64_t{1000}, std::uint64_t{190'000},
                              std::uint64_t{value.size()}}) {
    proxy_->next(MessageFault::cut_request("SET", bytes));
    EXPECT_FALSE(put(store, "fresh", value));
    EXPECT_EQ(server_->command({"GET", "fresh"}), "(nil)");
    ASSERT_TRUE(heals(store));
  }
  EXPECT_TRUE(put(store, "fresh", value));
  EXPECT_TRUE(value_at(store, "fresh") == value);
}

TEST_P(RespStoreReplies, AReplyCutAnywhereIsNoAnswer) {
  Store& store = open_up(hasty());
  for (const Call& call : calls()) {
    for (std::uint64_t bytes : {0, 1, 2, 3, 4, 7, 12, 30, 60}) {
      const std::uint64_t before = proxy_->counts().faults;
      proxy_->next(MessageFault::cut_reply(call.command, bytes));
      const bool was_right = call.run(store);
      // A reply that ends before the cut passes; one that is whole at the cut may count.
      EXPECT_TRUE(was_right || happened(before)) << call.command << " " << bytes;
      EXPECT_FALSE(was_right && happened(before) && bytes < 4) << call.command << " " << bytes;
      proxy_->heal();
      ASSERT_TRUE(heals(store));
      ASSERT_TRUE(call.run(store)) << call.command << " after a cut at " << bytes;
    }
  }
  expect_whole_again(store);
}

TEST_P(RespStoreReplies, AHandshakeCutAnywhereIsBegunAgain) {
  Store& store = open_up(hasty());
  for (bool of_reply : {false, true}) {
    for (std::uint64_t bytes : {0, 1, 3, 9, 13}) {
      const std::uint64_t before = proxy_->counts().faults;
      proxy_->next(of_reply ? MessageFault::cut_reply("INFO", bytes)
                            : MessageFault::cut_request("INFO", bytes));
      proxy_->close_connections();
      ASSERT_TRUE(
          testing::wait_until([&] { return happened(before); }, testing::Milliseconds(20'000)))
          << bytes;
      ASSERT_TRUE(heals(store)) << bytes;
    }
  }
  expect_whole_again(store);
}

TEST_P(RespStoreReplies, AReplyTooManyEndsTheConnection) {
  Store& store = open_up(hasty());
  for (const Call& call : calls()) {
    for (const MessageFault& fault : {MessageFault::duplicate_reply(call.command),
                                      MessageFault::extra_reply(call.command, "+OK\r\n"),
                                      MessageFault::extra_reply(call.command, "$-1\r\n"),
                                      MessageFault::extra_reply(call.command, "$5\r\nwrong\r\n"),
                                      MessageFault::extra_reply(call.command, "-ERR what\r\n"),
                                      MessageFault::extra_reply(call.command, ":1\r\n"),
                                      MessageFault::extra_reply(call.command, "rubbish\r\n")}) {
      const std::uint64_t before = connections();
      proxy_->next(fault);
      EXPECT_TRUE(call.run(store)) << call.command;
      EXPECT_TRUE(reconnects(before)) << call.command << " then " << fault.text;
      ASSERT_TRUE(heals(store));
      // The reply too many has not become the answer to any of these.
      for (const Call& next : calls()) EXPECT_TRUE(next.run(store)) << next.command;
    }
  }
  expect_whole_again(store);
}

TEST_P(RespStoreReplies, RubbishIsNeverAnAnswer) {
  Store& store = open_up(hasty());
  const std::string rubbish[] = {"hello\r\n",
                                 "$-5\r\n",
                                 "$5\r\nabc",
                                 "*2147483647\r\n",
                                 "*2\r\n:1\r\n:2\r\n",
                                 "-ERR Protocol error: whatever\r\n",
                                 "+QUEUED\r\n",
                                 std::string("\0\0\0\0\r\n", 6),
                                 "HTTP/1.1 400 Bad Request\r\n\r\n"};
  for (const Call& call : calls()) {
    for (const std::string& text : rubbish) {
      proxy_->next(MessageFault::replace_reply(call.command, text));
      EXPECT_FALSE(call.run(store)) << call.command << " answered with " << text;
      ASSERT_TRUE(heals(store)) << text;
      ASSERT_TRUE(call.run(store)) << call.command << " after " << text;
    }
  }
  expect_whole_again(store);
}

TEST_P(RespStoreReplies, RubbishInTheHandshakeIsNoServer) {
  Store& store = open_up(hasty());
  for (const std::string text : {"hello\r\n", ":1\r\n", "+OK\r\n", "*0\r\n", "$3\r\nab"}) {
    const std::uint64_t before = proxy_->counts().faults;
    proxy_->next(MessageFault::replace_reply("INFO", text));
    proxy_->close_connections();
    ASSERT_TRUE(
        testing::wait_until([&] { return happened(before); }, testing::Milliseconds(20'000)))
        << text;
    ASSERT_TRUE(heals(store)) << text;
  }
  expect_whole_again(store);
}

}  // namespace
}  // namespace tlog::store
