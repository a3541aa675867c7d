// Goal: what names a key in etcd is understood exactly, and everything else is refused with what is
// expected; bytes come back from base64 as they went in.
#include "tlog/etcd/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>

#include "tlog/etcd/base64.h"

namespace tlog::etcd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(EtcdUrl, hosts_and_key_are_told_apart) {
  auto url = parse_url("etcd://127.0.0.1:2379,[::1]:2380/tlogdisk/site.yml");
  ASSERT_TRUE(url) << url.error().message();
  EXPECT_THAT(url->endpoints, ElementsAre("http://127.0.0.1:2379", "http://[::1]:2380"));
  EXPECT_EQ(url->key, "tlogdisk/site.yml");
  EXPECT_EQ(url->ca_file, "");
}

TEST(EtcdUrl, tls_may_bring_its_authority) {
  auto url = parse_url("etcds://etcd.example:2379/a?ca=/etc/ca.pem");
  ASSERT_TRUE(url) << url.error().message();
  EXPECT_THAT(url->endpoints, ElementsAre("https://etcd.example:2379"));
  EXPECT_EQ(url->key, "a");
  EXPECT_EQ(url->ca_file, "/etc/ca.pem");
}

class BadEtcdUrl : public ::testing::TestWithParam<const char*> {};
TEST_P(BadEtcdUrl, is_refused_with_what_is_expected) {
  auto url = parse_url(GetParam());
  ASSERT_FALSE(url);
  EXPECT_EQ(url.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(url.error().message(), HasSubstr("expected etcd://HOST:PORT"));
}
INSTANTIATE_TEST_SUITE_P(All, BadEtcdUrl,
                         ::testing::Values("", "http://h:1/k", "etcd://h:1", "etcd://h:1/",
                                           "etcd:///k", "etcd://h/k", "etcd://h:0/k",
                                           "etcd://h:65536/k", "etcd://h:1,/k", "etcd://,h:1/k",
                                           "etcd://u:p@h:1/k", "etcd://h:1x/k", "etcd://h :1/k",
                                           "etcd://h:1/k?ca=/x", "etcds://h:1/k?ca=x",
                                           "etcds://h:1/k?x=/y"));

RC_GTEST_PROP(Base64, every_byte_comes_back, (const std::string& bytes)) {
  const auto back = decode_base64(encode_base64(bytes));
  RC_ASSERT(back.has_value());
  RC_ASSERT(*back == bytes);
}

TEST(Base64, is_the_known_one) {
  EXPECT_EQ(encode_base64("tlogdisk"), "dGxvZ2Rpc2s=");
  EXPECT_EQ(encode_base64(""), "");
  for (const char* bad : {"a", "====", "a===", "ab!=", "=abc", "ab=c"}) {
    EXPECT_FALSE(decode_base64(bad)) << bad;
  }
}

}  // namespace
}  // namespace tlog::etcd
