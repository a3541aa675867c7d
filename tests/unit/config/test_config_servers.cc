// A log that is kept by tlogservers instead of a cluster: what its keys mean, and what they refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tlog/config/config.h"

namespace tlog::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kVdisk[] = "vdisks: {v: {size: 1MiB, storage: {file: x}}}\n";
constexpr char kCluster[] = "clusters: {c: {directories: [a, b, c, d, e, f]}}\n";

Config parsed_with_servers(const std::string& text) {
  auto config = parse(text, "/e/t.yml");
  EXPECT_TRUE(config.has_value()) << config.error().message();
  return config ? std::move(*config) : Config{};
}

std::string error_of(const std::string& text) {
  auto config = parse(text, "/e/t.yml");
  return config ? "none" : config.error().message();
}

std::string tlog(const std::string& keys) {
  return "tlog: {" + keys + "}\n" + kVdisk;
}

TEST(ConfigServers, need_no_cluster) {
  const Config config =
      parsed_with_servers(tlog("servers: [h:1, \"unix:/run/t\"], writeConcern: 2, insecure: true"));
  const Tlog& tlog = config.vdisks[0].tlog;
  EXPECT_THAT(tlog.servers, ElementsAre("h:1", "unix:/run/t"));
  EXPECT_EQ(tlog.cluster, "");
  EXPECT_EQ(tlog.write_concern, 2U);
  EXPECT_EQ(tlog.received, 0U);
  EXPECT_TRUE(tlog.insecure);
  EXPECT_FALSE(tlog.tls.on);
}

TEST(ConfigServers, a_cluster_is_no_default_beside_them) {
  const Config config = parsed_with_servers(kCluster + tlog("servers: [\"unix:s\"]"));
  EXPECT_EQ(config.vdisks[0].tlog.cluster, "");
  EXPECT_THAT(config.vdisks[0].tlog.servers, ElementsAre("unix:/e/s"));
}

// Who follows the log is at the servers then.
TEST(ConfigServers, keep_the_standby_too) {
  const Config config = parsed_with_servers(
      "tlog: {servers: [\"unix:s\"]}\n"
      "vdisks: {v: {size: 1MiB, storage: {file: x}, tlog: {slaveSync: true}}}\n");
  EXPECT_TRUE(config.vdisks[0].tlog.slave_sync);
}

TEST(ConfigServers, a_vdisk_may_have_the_other_of_both) {
  const Config own_cluster = parsed_with_servers(
      std::string(kCluster) + "tlog: {servers: [\"unix:/s\"], writeConcern: 1}\n" +
      "vdisks: {v: {size: 1MiB, storage: {file: x}, tlog: {cluster: c}}}\n");
  EXPECT_EQ(own_cluster.vdisks[0].tlog.cluster, "c");
  EXPECT_TRUE(own_cluster.vdisks[0].tlog.servers.empty());
  const Config own_servers = parsed_with_servers(
      std::string(kCluster) + "tlog: {cluster: c}\n" +
      "vdisks: {v: {size: 1MiB, storage: {file: x}, tlog: {servers: [\"unix:/s\"]}}}\n");
  EXPECT_EQ(own_servers.vdisks[0].tlog.cluster, "");
  EXPECT_THAT(own_servers.vdisks[0].tlog.servers, ElementsAre("unix:/s"));
}

TEST(ConfigServers, tls_is_on_when_its_section_is_there) {
  const Config config = parsed_with_servers(tlog("servers: [h:1], tls: {caFile: ca.pem}"));
  const ServerTls& tls = config.vdisks[0].tlog.tls;
  EXPECT_TRUE(tls.on);
  EXPECT_TRUE(tls.verify);
  EXPECT_EQ(tls.ca_file, "/e/ca.pem");
  const Config own = parsed_with_servers(
      "tlog: {servers: [h:1], tls: {caFile: ca.pem}}\n"
      "vdisks: {v: {size: 1MiB, storage: {file: x}, tlog: {tls: "
      "{serverName: t}}}}\n");
  EXPECT_EQ(own.vdisks[0].tlog.tls.ca_file, "/e/ca.pem");
  EXPECT_EQ(own.vdisks[0].tlog.tls.server_name, "t");
  EXPECT_TRUE(own.vdisks[0].tlog.tls.on);
}

TEST(ConfigServers, what_does_not_fit_is_refused_at_its_place) {
  const std::pair<std::string, std::string> cases[] = {
      {tlog("servers: [h:1]"), "/e/t.yml:1:8: tlog.servers: the key would be handed to h:1"},
      {tlog("servers: [\"unix:/s\"], writeConcern: 2"),
       "/e/t.yml:1:44: tlog.writeConcern: too large: 2, expected at most the number of servers, 1"},
      {tlog("servers: [\"unix:/s\"], durability: cluster, received: 2"),
       "/e/t.yml:1:61: tlog.received: too large: 2"},
      {tlog("servers: [\"unix:/s\"], received: 1"),
       "/e/t.yml:1:40: tlog.received: no FLUSH waits for servers, expected durability: cluster"},
      {tlog("servers: [\"unix:/s\", \"unix:/s\"]"),
       "/e/t.yml:1:29: tlog.servers.1: the same as servers.0, expected another server"},
      {tlog("servers: [h]"), "/e/t.yml:1:18: tlog.servers.0: has no port, expected"},
      {tlog("servers: []"), "/e/t.yml:1:17: tlog.servers: empty, expected at least one server's"},
      {tlog("servers: [h:1], tls: {caFile: a, pskFile: b}"),
       "/e/t.yml:1:50: tlog.tls.pskFile: a pre-shared key besides certificates"},
      {tlog("servers: [h:1], tls: {certificateFile: a}"),
       "/e/t.yml:1:47: tlog.tls.certificateFile: half of a pair"},
      {std::string(kCluster) + tlog("cluster: c, servers: [\"unix:/s\"]"),
       "/e/t.yml:2:20: tlog.servers: cluster 'c' keeps the log already"},
      {std::string(kCluster) + tlog("writeConcern: 1"),
       "/e/t.yml:2:22: tlog.writeConcern: does nothing without servers"},
      {"clusters: {p: {servers: [{address: h:1}]}}\ntlog: {servers: [\"unix:/s\"]}\n"
       "vdisks: {v: {size: 1MiB, storage: {cluster: p}}}\n",
       "/e/t.yml:3:45: vdisks.v.storage.cluster: what its servers lose is filled from the log"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_THAT(error_of(text), StartsWith(expected)) << text;
    EXPECT_THAT(error_of(text), HasSubstr("expected ")) << text;
  }
}

TEST(ConfigServers, may_keep_a_part_of_the_log_each) {
  const std::string three = "servers: [\"unix:/a\", \"unix:/b\", \"unix:/c\"]";
  EXPECT_EQ(parsed_with_servers(tlog(three)).vdisks[0].tlog.stripe_count(), 1U);
  EXPECT_EQ(
      parsed_with_servers(tlog(three + ", distribution: mirror")).vdisks[0].tlog.stripe_count(),
      1U);
  EXPECT_EQ(
      parsed_with_servers(tlog(three + ", distribution: stripe")).vdisks[0].tlog.stripe_count(),
      3U);
  const Config mirrored = parsed_with_servers(
      tlog("servers: [\"unix:/a\", \"unix:/b\", \"unix:/c\", \"unix:/d\"], distribution: stripe, "
           "stripes: 2, writeConcern: 2"));
  EXPECT_EQ(mirrored.vdisks[0].tlog.stripe_count(), 2U);
}

// As tlogplay reads it, with or without the servers' addresses.
TEST(ConfigServers, leave_stripes_in_clusters) {
  const std::string clusters =
      "clusters: {c: {directories: [a, b, c, d, e, f]}, d: {directories: [g, h, i, j, k, l]}}\n";
  const Config read = parsed_with_servers(clusters + tlog("stripeClusters: [d, c]"));
  EXPECT_THAT(read.vdisks[0].tlog.stripe_clusters, ElementsAre("d", "c"));
  EXPECT_EQ(read.vdisks[0].tlog.stripe_count(), 1U);
  const Config written = parsed_with_servers(
      clusters + tlog("servers: [\"unix:/a\", \"unix:/b\"], distribution: stripe, stripeClusters: "
                      "[c, d]"));
  EXPECT_EQ(written.vdisks[0].tlog.stripe_count(), 2U);
  EXPECT_EQ(written.vdisks[0].tlog.cluster, "");
}

TEST(ConfigServers, stripes_that_do_not_fit_are_refused_at_their_place) {
  const std::string two = "servers: [\"unix:/a\", \"unix:/b\"], distribution: stripe";
  const std::string clusters = std::string(kCluster);
  const std::pair<std::string, std::string> cases[] = {
      {tlog("servers: [\"unix:/s\"], distribution: stripe"),
       "/e/t.yml:1:44: tlog.distribution: stripe with 1 server, expected 2 to 16"},
      {tlog(two + ", stripes: 3"),
       "/e/t.yml:1:72: tlog.stripes: 2 servers cannot be divided evenly among 3"},
      {tlog(two + ", stripes: 1"), "/e/t.yml:1:72: tlog.stripes: too small: 1, expected"},
      {tlog(two + ", writeConcern: 2"),
       "/e/t.yml:1:77: tlog.writeConcern: too large: 2, expected at most the number of servers of "
       "each stripe, 1"},
      {tlog("servers: [\"unix:/a\", \"unix:/b\"], stripes: 2"),
       "/e/t.yml:1:50: tlog.stripes: does nothing with distribution: mirror"},
      {tlog("servers: [\"unix:/a\"], distribution: both"),
       "/e/t.yml:1:44: tlog.distribution: unknown: 'both', expected one of mirror or stripe"},
      {clusters + tlog("distribution: stripe"),
       "/e/t.yml:2:22: tlog.distribution: does nothing without servers, expected"},
      {tlog(two + ", slaveSync: true"),
       "/e/t.yml:1:74: tlog.slaveSync: servers that have a part of the log each keep no standby"},
      {"tlog: {" + two + "}\nvdisks:\n  v: {size: 1MiB, storage: {file: x}}\n" +
           "  v.stripe1: {size: 1MiB, storage: {file: y}}\n",
       "/e/t.yml:4:3: vdisks.v.stripe1: the name of a stripe of vdisk 'v'"},
      {"tlog: {" + two + "}\nvdisks:\n  " + std::string(56, 'v') +
           ": {size: 1MiB, storage: {file: x}}\n",
       "/e/t.yml:3:3: vdisks." + std::string(56, 'v') + ": its stripes would have longer names"},
      {clusters + tlog("stripeClusters: [c]"),
       "/e/t.yml:2:8: tlog.stripeClusters: 1 cluster, expected one for each"},
      {clusters + tlog("stripeClusters: [c, e]"),
       "/e/t.yml:2:28: tlog.stripeClusters.1: no such cluster: 'e', expected c"},
      {clusters + tlog("stripeClusters: [c, \"a b\"]"),
       "/e/t.yml:2:28: tlog.stripeClusters.1: 'a b' is not a name, expected"},
      {clusters + tlog("cluster: c, stripeClusters: [d, c]"),
       "/e/t.yml:2:20: tlog.stripeClusters: cluster 'c' keeps the log"},
      {clusters + tlog(two + ", stripeClusters: [c, c, c]"),
       "/e/t.yml:2:63: tlog.stripeClusters: 3 clusters, expected one for each stripe"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_THAT(error_of(text), HasSubstr(expected)) << text;
    EXPECT_THAT(error_of(text), HasSubstr("expected ")) << text;
  }
}

}  // namespace
}  // namespace tlog::config
