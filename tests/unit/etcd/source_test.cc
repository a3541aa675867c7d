// Goal: a configuration that is kept in etcd is read and watched like a file, and an etcd that is
// away is said and waited for, never for longer than asked.
#include "tlog/etcd/source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/etcd_server.h"

namespace tlog::etcd {
namespace {

using io::WatchOutcome;
using testing::EtcdServer;
using ::testing::HasSubstr;
using testing::write_text;

constexpr std::uint64_t kLongNs = 20'000'000'000;
constexpr std::uint64_t kShortNs = 50'000'000;
constexpr char kKey[] = "tlogdisk/site.yml";

std::unique_ptr<config::Source> open(const std::string& path_or_url) {
  auto source = open_source(io::system_files(), {path_or_url, "/base"}, null_logger());
  EXPECT_TRUE(source) << source.error().message();
  return source ? std::move(*source) : nullptr;
}

class EtcdSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdServer::available()) GTEST_SKIP() << "no etcd";
    server_ = std::make_unique<EtcdServer>();
  }
  std::unique_ptr<EtcdServer> server_;
};

TEST_F(EtcdSourceTest, every_change_is_told_once_and_none_is_missed) {
  server_->put(kKey, "one");
  auto source = open(server_->url(kKey));
  EXPECT_EQ(source->path(), "/base/tlogdisk.yml");
  ASSERT_EQ(source->read().value_or("error"), "one");
  EXPECT_EQ(source->wait_for_change(kShortNs), WatchOutcome::kQuiet);
  server_->put(kKey, "two");  // while nobody waits
  EXPECT_EQ(source->wait_for_change(kLongNs), WatchOutcome::kChanged);
  EXPECT_EQ(source->wait_for_change(kShortNs), WatchOutcome::kQuiet) << "told twice";
  EXPECT_EQ(source->read().value_or("error"), "two");
  EXPECT_EQ(source->wait_for_change(kShortNs), WatchOutcome::kQuiet);
  std::thread writer([this] { server_->put(kKey, "three"); });
  EXPECT_EQ(source->wait_for_change(kLongNs), WatchOutcome::kChanged);
  writer.join();
  EXPECT_EQ(source->read().value_or("error"), "three");
  server_->put("tlogdisk/other", "x");
  EXPECT_EQ(source->wait_for_change(kShortNs), WatchOutcome::kQuiet) << "another key";
}

TEST_F(EtcdSourceTest, a_missing_key_is_said_with_the_remedy) {
  auto source = open(server_->url(kKey));
  auto text = source->read();
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code(), Code::kNotFound);
  EXPECT_THAT(text.error().message(), HasSubstr(server_->url(kKey)));
  EXPECT_THAT(text.error().message(), HasSubstr("etcdctl put tlogdisk/site.yml"));
  server_->put(kKey, "");
  EXPECT_EQ(source->read().value_or("error"), "");
}

TEST_F(EtcdSourceTest, one_that_is_away_is_said_and_comes_back) {
  server_->put(kKey, "one");
  auto source = open(server_->url(kKey));
  ASSERT_TRUE(source->read());
  server_->kill();
  auto away = source->read();
  ASSERT_FALSE(away);
  EXPECT_EQ(away.error().code(), Code::kUnavailable);
  EXPECT_THAT(away.error().message(), HasSubstr(server_->address()));
  EXPECT_EQ(source->wait_for_change(kShortNs), WatchOutcome::kQuiet);
  server_->start();
  EXPECT_TRUE(testing::wait_until([&] { return source->read().has_value(); },
                                  testing::Milliseconds(30'000)));
  server_->put(kKey, "two");
  EXPECT_EQ(source->wait_for_change(kLongNs), WatchOutcome::kChanged);
}

// The server dies in the middle of a wait: the wait ends, and soon.
TEST_F(EtcdSourceTest, a_watch_that_breaks_ends) {
  server_->put(kKey, "one");
  auto source = open(server_->url(kKey));
  ASSERT_TRUE(source->read());
  std::thread killer([this] { server_->kill(); });
  EXPECT_EQ(source->wait_for_change(kLongNs), WatchOutcome::kQuiet);
  killer.join();
}

TEST_F(EtcdSourceTest, the_second_of_two_hosts_does_when_the_first_is_away) {
  server_->put(kKey, "one");
  const std::string url = "etcd://127.0.0.1:1," + server_->address() + "/" + kKey;
  auto source = open(url);
  EXPECT_EQ(source->read().value_or("error"), "one");
  server_->put(kKey, "two");
  EXPECT_EQ(source->wait_for_change(kLongNs), WatchOutcome::kChanged);
}

// What a watch may have missed because it is no longer kept counts as a change.
TEST_F(EtcdSourceTest, a_revision_that_is_no_longer_kept_is_a_change) {
  server_->put(kKey, "one");
  auto source = open(server_->url(kKey));
  ASSERT_TRUE(source->read());
  server_->put(kKey, "two");
  server_->put(kKey, "three");
  server_->compact();
  EXPECT_EQ(source->wait_for_change(kLongNs), WatchOutcome::kChanged);
  EXPECT_EQ(source->read().value_or("error"), "three");
  EXPECT_EQ(source->wait_for_change(kShortNs), WatchOutcome::kQuiet);
}

TEST_F(EtcdSourceTest, waking_ends_a_wait_and_a_reading) {
  server_->put(kKey, "one");
  auto source = open(server_->url(kKey));
  ASSERT_TRUE(source->read());
  std::thread waking([&] { source->wake(); });
  EXPECT_EQ(source->wait_for_change(kLongNs), WatchOutcome::kWoken);
  waking.join();
  EXPECT_EQ(source->wait_for_change(kLongNs), WatchOutcome::kWoken);
  EXPECT_FALSE(source->read());
}

TEST_F(EtcdSourceTest, tls_with_an_authority_of_ones_own_and_never_without) {
  EtcdServer secure(/*tls=*/true);
  secure.put(kKey, "one");
  auto source = open(secure.url(kKey) + "?ca=" + secure.ca_file());
  const auto text = source->read();
  ASSERT_TRUE(text) << text.error().message();
  EXPECT_EQ(*text, "one");
  secure.put(kKey, "two");
  EXPECT_EQ(source->wait_for_change(kLongNs), WatchOutcome::kChanged);
  // An authority that nobody vouches for.
  auto refused = open(secure.url(kKey))->read();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("https://" + secure.address()));
  auto plain = open("etcd://" + secure.address() + "/" + kKey)->read();
  EXPECT_FALSE(plain);
}

TEST_F(EtcdSourceTest, a_local_file_may_name_it) {
  testing::TempDirectory directory;
  const std::string path = directory.file("tlogdisk.yml");
  server_->put(kKey, "one");
  write_text(path, "# where it is\nconfigSource: " + server_->url(kKey) + "\n");
  auto source = open(path);
  EXPECT_EQ(source->name(), server_->url(kKey));
  EXPECT_EQ(source->path(), path) << "its relative paths are relative to the local file";
  EXPECT_EQ(source->read().value_or("error"), "one");
}

TEST(EtcdRedirection, is_alone_in_its_file_and_an_address) {
  testing::TempDirectory directory;
  const std::string path = directory.file("t.yml");
  auto error_of = [&](const std::string& text) {
    write_text(path, text);
    auto source = open_source(io::system_files(), {path, "/"}, null_logger());
    return source ? "" : source.error().message();
  };
  EXPECT_THAT(error_of("keyFile: k\nconfigSource: etcd://h:1/k\n"),
              HasSubstr(path + ":1:1: configSource: stands beside other keys"));
  EXPECT_THAT(error_of("configSource: [a]\n"), HasSubstr("configSource: is no address"));
  EXPECT_THAT(error_of("configSource: http://h\n"), HasSubstr("expected etcd://HOST:PORT"));
  EXPECT_EQ(error_of("vdisks: {}\n"), "") << "an ordinary file, whose problems are said later";
  EXPECT_EQ(error_of(": {\n"), "");
}

}  // namespace
}  // namespace tlog::etcd
