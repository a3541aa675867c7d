// Contents and names that are served and published: what the keys come to, and what cannot be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tlog/config/config.h"

namespace tlog::config {
namespace {

using testing::HasSubstr;

constexpr char kOneVdisk[] =
    "clusters: {c: {directories: [a, b, c, d, e, f]}}\n"
    "vdisks: {vm1: {size: 1MiB, storage: {file: x}}}\n";

std::string cas_error_of(const std::string& text) {
  const auto config = parse(text, "/e/t.yml");
  return config ? "" : config.error().message();
}

TEST(ConfigCas, a_directory_is_enough) {
  const Config config = parse("cas: {directory: kept}\n", "/e/t.yml").value();
  EXPECT_EQ(config.cas.directory, "/e/kept");
  EXPECT_TRUE(config.cas.publish.empty());
  EXPECT_TRUE(parse("vdisks: {vm1: {size: 1MiB, storage: {file: x}}}\nclusters: {c: {directories: "
                    "[a, b, c, d, e, f]}}\n",
                    "/e/t.yml")
                  ->cas.directory.empty());
}

TEST(ConfigCas, what_is_published) {
  const auto published = [](const std::string& vm1) {
    const auto config =
        parse(kOneVdisk + std::string("cas: {directory: kept, publish: {vm1: ") + vm1 + "}}\n",
              "/e/t.yml");
    EXPECT_TRUE(config) << config.error().message();
    return config->cas.publish.at(0);
  };
  CasPublish one = published("{}");
  EXPECT_EQ(one.vdisk, "vm1");
  EXPECT_EQ(one.embed, CasEmbed::kLast);
  EXPECT_EQ(one.embed_last, 5u);
  EXPECT_TRUE(one.to.empty() && one.token_file.empty() && one.ca_file.empty() && !one.tls);
  EXPECT_EQ(published("all").embed, CasEmbed::kAll);
  EXPECT_EQ(published("{embed: none}").embed, CasEmbed::kNone);
  EXPECT_EQ(published("last 1000000").embed_last, 1'000'000u);
  one = published("{to: \"unix:/s\", tokenFile: t, caFile: ca.pem, serverName: other, tls: true}");
  EXPECT_EQ(one.to, "unix:/s");
  EXPECT_EQ(one.token_file, "/e/t");
  EXPECT_EQ(one.ca_file, "/e/ca.pem");
  EXPECT_EQ(one.server_name, "other");
  EXPECT_TRUE(one.tls);
}

TEST(ConfigCas, what_cannot_be_is_named_with_its_place) {
  const std::pair<std::string, std::string> cases[] = {
      {"cas: {}", "1:1: cas: has neither directory nor publish"},
      {"cas: {director: x}", "1:7: cas.director: unknown key; did you mean 'directory'?"},
      {"VDISKcas: {directory: a}",
       "3:18: cas.directory: '/e/a' is in or around that of clusters.c, expected a directory"},
      {"VDISKcas: {directory: /e}", "3:18: cas.directory: '/e' is in or around that of "},
      {"VDISKcas: {directory: journal/x}", "is in or around that of journal"},
      {"VDISKrepos: {r: logs}\ncas: {directory: logs/cas}", "is in or around that of repos.r"},
      {"VDISKcas: {directory: k, publish: {vm2: {}}}",
       "3:31: cas.publish.vm2: no such vdisk: 'vm2'; did you mean 'vm1'?, expected vm1"},
      {"cas: {directory: k, publish: {vm2: {}}}", "no such vdisk: 'vm2', expected one of vdisks"},
      {"VDISKcas: {publish: {vm1: {}}}",
       "cas.publish.vm1: has no place to go, expected `to` here, or `directory` in cas"},
      {"VDISKcas: {directory: k, publish: {vm1: {embed: some}}}",
       "cas.publish.vm1.embed: 'some' is not understood, expected all, none or last N"},
      {"VDISKcas: {directory: k, publish: {vm1: last 0}}", "'last 0' is not understood"},
      {"VDISKcas: {directory: k, publish: {vm1: last 1000001}}", "is not understood"},
      {"VDISKcas: {directory: k, publish: {vm1: last 5x}}", "is not understood"},
      {"VDISKcas: {directory: k, publish: {vm1: \"last \"}}", "is not understood"},
      {"VDISKcas: {directory: k, publish: {vm1: {tokenFile: t}}}",
       "cas.publish.vm1.tokenFile: is for another service, expected `to` as well"},
      {"VDISKcas: {directory: k, publish: {vm1: {tls: true}}}",
       "cas.publish.vm1.tls: is for another service"},
      {"VDISKcas: {publish: {vm1: {to: \"h:1\", serverName: n}}}",
       "cas.publish.vm1.serverName: is of use with TLS only, expected `caFile`"},
      {"VDISKcas: {publish: {vm1: {to: h}}}", "cas.publish.vm1.to: "},
      {"clusters: {c: {directories: [a, b, c, d, e, f]}}\nvdisks: {v: {size: 1MiB, storage: {file: "
       "k/x}}}\ncas: {directory: k}",
       "vdisks.v.storage.file: '/e/k/x' is inside the directory of cas.directory"},
  };
  for (const auto& [short_text, expected] : cases) {
    std::string text = short_text;
    if (text.starts_with("VDISK")) text.replace(0, 5, kOneVdisk);
    EXPECT_THAT(cas_error_of(text), HasSubstr(expected)) << text;
    EXPECT_THAT(cas_error_of(text), HasSubstr("expected ")) << text;
  }
}

}  // namespace
}  // namespace tlog::config
