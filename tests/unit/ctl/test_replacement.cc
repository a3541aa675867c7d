// Goal: the replacement of a server is never called safe when it is not, nor when nothing is known,
// and nothing but the one address is changed in the text.
#include <gmock/gmock.h>

#include "ctl/replacement.h"
#include "ctl/replacement_follow.h"

namespace tlog::ctl {
namespace {

using ::testing::HasSubstr;

constexpr char kConfig[] =
    "# ours\n"
    "clusters:\n"
    "  c: {servers: [{address: 'h1:1'}, {address: h2:1}, {address: h3:1}, {address: h4:1}]}  # "
    "four\n"
    "  b: {servers: [{address: b1:1}, {address: b2:1}]}\n"
    "  d: {directories: [x, y, z]}\n"
    "tlog: {cluster: c, dataShards: 2, parityShards: 2}\n"
    "vdisks:\n"
    "  vm1: {size: 8MiB, storage: {cluster: b}}\n";

Result<Replacement> find(const std::string& from, const std::string& to,
                         const std::string& cluster = "c", const std::string& text = kConfig) {
  return find_replacement(text, "/etc/t.yml", {.cluster = cluster, .from = from, .to = to});
}
std::string why_not(const Result<Replacement>& found) {
  return found ? "found" : found.error().message();
}

TEST(Replacement, only_the_address_changes) {
  auto found = find("h3:1", "new:6379");
  ASSERT_TRUE(found) << why_not(found);
  EXPECT_EQ(found->place, 2u);
  EXPECT_EQ(found->key(), "clusters.c.servers.2.address");
  std::string expected = kConfig;
  expected.replace(expected.find("h3:1"), 4, "new:6379");
  EXPECT_EQ(found->text, expected);
  EXPECT_FALSE(found->is_done);
  auto done = find("h3:1", "new:6379", "c", expected);
  ASSERT_TRUE(done) << why_not(done);
  EXPECT_TRUE(done->is_done);
  EXPECT_EQ(done->text, expected);
}

TEST(Replacement, what_cannot_be_is_refused_with_the_remedy) {
  EXPECT_THAT(why_not(find("h9:1", "n:1")), HasSubstr("it has h1:1, h2:1, h3:1, h4:1"));
  EXPECT_THAT(why_not(find("h1:1", "n:1", "x")), HasSubstr("no cluster 'x'"));
  EXPECT_THAT(why_not(find("x", "n:1", "d")), HasSubstr("tlogctl repair"));
  EXPECT_THAT(why_not(find("h1:1", "h2:1")), HasSubstr("the same server and database"));
  EXPECT_THAT(why_not(find("h1:1", "n")), HasSubstr("has no port"));
  EXPECT_THAT(why_not(find("h1:1", "n:1", "c", "clusters: 1\n")), HasSubstr("nothing was changed"));
}

// Two places that get their address from one: it would change both.
TEST(Replacement, an_anchor_is_left_to_people) {
  std::string text = kConfig;
  text.replace(text.find("h2:1"), 4, "&two h2:1");
  EXPECT_THAT(why_not(find("h2:1", "n:1", "c", text)), HasSubstr("by hand"));
  text.replace(text.find("{address: b1:1}"), 15, "{address: *two, db: 1}");
  EXPECT_THAT(why_not(find("h2:1", "n:1", "c", text)), HasSubstr("by hand"));
  EXPECT_THAT(why_not(find("h2:1", "n:1", "b", text)), HasSubstr("by hand"));
}

TEST(Replacement, databases_of_one_server_are_told_apart) {
  std::string text = kConfig;
  text.replace(text.find("h2:1"), 4, "h3:1, db: 7");
  EXPECT_THAT(why_not(find("h3:1", "n:1", "c", text)), HasSubstr("say which as ADDRESS@DB"));
  auto found = find("h3:1@7", "n:1", "c", text);
  ASSERT_TRUE(found) << why_not(found);
  EXPECT_EQ(found->place, 1u);
  EXPECT_EQ(found->to.db, "7");
}

class Judging : public ::testing::Test {
 protected:
  Judging() {
    report.name = "vm1";
    report.uuid = "11111111-2222-3333-4444-555555555555";
    report.state = "serving";
    report.committed = 1000;
    for (int i = 1; i <= 4; ++i) {
      report.stores.push_back({.name = "redis h" + std::to_string(i) + ":1@0",
                               .usable = true,
                               .condition = "up",
                               .state = "up",
                               .server = "uuid-" + std::to_string(i)});
    }
    for (int i = 1; i <= 2; ++i) {
      report.block_servers.push_back({.name = "redis b" + std::to_string(i) + ":1@0",
                                      .usable = true,
                                      .condition = "up",
                                      .state = "up"});
    }
    empty.keys = 0;
  }
  Verdict verdict(const std::string& cluster = "c", const std::string& from = "h3:1") {
    auto found = find(from, "n:1", cluster, text);
    if (!found) {
      ADD_FAILURE() << why_not(found);
      return {};
    }
    return judge(*found, reports(), empty, leniency);
  }
  std::vector<control::VdiskReport> reports() const {
    if (report.name.empty()) return {};
    return {report};
  }
  std::string refusals(const std::string& cluster = "c", const std::string& from = "h3:1") {
    std::string all;
    for (const std::string& refusal : verdict(cluster, from).refusals) all += refusal + "\n";
    return all;
  }

  std::string text = kConfig;
  control::VdiskReport report;
  NewServer empty;
  Leniency leniency;
};

TEST_F(Judging, a_healthy_cluster_and_an_empty_server_are_safe) {
  const Verdict good = verdict();
  EXPECT_EQ(refusals(), "");
  ASSERT_EQ(good.shares.size(), 1u);
  EXPECT_EQ(good.shares[0].shards, 1000u);
  const Verdict of_blocks = verdict("b", "b2:1");
  EXPECT_EQ(refusals("b", "b2:1"), "");
  ASSERT_EQ(of_blocks.shares.size(), 1u);
  EXPECT_TRUE(of_blocks.shares[0].keeps_blocks);
}

TEST_F(Judging, others_that_are_not_whole_count_with_the_one_that_goes) {
  report.stores[0].usable = false;
  report.stores[0].state = "down";
  EXPECT_EQ(refusals(), "") << "two of four may be lost";
  EXPECT_THAT(verdict().warnings.front(), HasSubstr("the loss of no other one can be borne"));
  report.stores[1].left = 3;
  EXPECT_THAT(refusals(), HasSubstr("fewer than 2 whole ones"));
  EXPECT_THAT(refusals(), HasSubstr("redis h2:1@0 (3 shards to be looked up or made)"));
  report.stores[1].left = 0;
  report.stores[1].state = "rebuilding";
  EXPECT_THAT(refusals(), HasSubstr("redis h2:1@0 (rebuilding)"));
  report.stores[1].state = "up";
  report.stores[2].state = "down";
  EXPECT_EQ(refusals(), "") << "it is the one that goes";
}

TEST_F(Judging, without_parity_nothing_can_be_made_anew) {
  const std::string shards = "dataShards: 2, parityShards: 2";
  text.replace(text.find(shards), shards.size(), "dataShards: 4, parityShards: 0");
  EXPECT_THAT(refusals(), HasSubstr("copy the old server's data to the new one"));
}

TEST_F(Judging, blocks_need_a_log_that_can_be_read) {
  for (int i = 0; i < 3; ++i) report.stores[static_cast<std::size_t>(i)].state = "down";
  EXPECT_THAT(refusals("b", "b1:1"), HasSubstr("refilled from its log, which cannot be read now"));
}

TEST_F(Judging, what_is_not_known_is_not_safe) {
  report.state = "closed";
  EXPECT_THAT(refusals(), HasSubstr("vdisk vm1 is closed"));
  leniency.is_trial = true;
  EXPECT_EQ(refusals(), "");
  leniency = {};
  report.state = "failed";
  EXPECT_THAT(refusals(), HasSubstr("vdisk vm1 is failed"));
  report.state = "serving";
  report.config_error = "line 3 is wrong";
  EXPECT_THAT(refusals(), HasSubstr("line 3 is wrong"));
  report.config_error.clear();
  std::swap(report.stores[0].name, report.stores[1].name);
  EXPECT_THAT(refusals(), HasSubstr("`tlogctl reload` first"));
  report.name.clear();
  EXPECT_THAT(refusals(), HasSubstr("vdisk vm1 is not served"));
  leniency.may_be_unserved = true;
  EXPECT_EQ(refusals(), "");
}

TEST_F(Judging, the_new_server_must_be_empty_or_the_one_of_this_place) {
  empty.keys = 1;
  EXPECT_THAT(refusals(), HasSubstr("is not empty, it has 1 keys"));
  empty.server = "uuid-9";
  EXPECT_THAT(refusals(), HasSubstr("another place or another log"));
  empty.server = "uuid-1";
  EXPECT_THAT(refusals(), HasSubstr("it is the server of clusters.c.servers.0"));
  empty.server = "uuid-3";
  EXPECT_EQ(refusals(), "");
  EXPECT_TRUE(verdict().is_known);
  report.stores[2].server.clear();
  EXPECT_THAT(refusals(), HasSubstr("another place or another log")) << "nobody knows it";
  empty = {};
  EXPECT_EQ(refusals(), "");
  EXPECT_THAT(verdict().warnings.front(), HasSubstr("does not count its keys"));
}

// After a failover the blocks are not where the file says first; and who follows is filled by
// itself.
TEST_F(Judging, a_standby_is_not_taken_for_the_active_cluster) {
  text.replace(text.find("storage: {cluster: b}"), 21,
               "storage: {cluster: b}, slaveStorage: {cluster: s}, tlog: {slaveSync: true}");
  text.insert(text.find("  d: {"), "  s: {servers: [{address: s1:1}, {address: s2:1}]}\n");
  report.standby = {.state = "in sync", .active = "b", .standby = "s"};
  EXPECT_EQ(refusals("b", "b1:1"), "");
  EXPECT_THAT(refusals("s", "s1:1"), HasSubstr("'s' is its standby now; put the new address"));
  report.standby = {.state = "in sync", .active = "s", .standby = "b"};
  for (std::size_t i = 0; i < 2; ++i) {
    report.block_servers[i].name = "redis s" + std::to_string(i + 1) + ":1@0";
  }
  EXPECT_EQ(refusals("s", "s1:1"), "");
  EXPECT_THAT(refusals("b", "b1:1"), HasSubstr("'b' is its standby now"));
}

TEST_F(Judging, it_is_followed_until_it_is_whole_and_not_before) {
  auto found = find("h3:1", "n:1");
  ASSERT_TRUE(found) << why_not(found);
  const auto shares = verdict().shares;
  auto now = fillings_of(*found, shares, {report});
  EXPECT_FALSE(all_whole(now)) << "its server still uses the old one, which is up";
  EXPECT_EQ(now[0].state, "not taken over");
  control::StoreReport& store = report.stores[2];
  store = {.name = "redis n:1@0", .usable = true, .condition = "rebuilding", .state = "rebuilding"};
  store.left = 600;
  now = fillings_of(*found, shares, {report});
  EXPECT_FALSE(all_whole(now));
  EXPECT_THAT(progress_line(now),
              HasSubstr("[########............] 40 %  vm1: 400 of 1000 shards"));
  store.state = "up";
  EXPECT_FALSE(all_whole(fillings_of(*found, shares, {report})));
  store.left = 0;
  EXPECT_TRUE(all_whole(fillings_of(*found, shares, {report})));
  EXPECT_FALSE(all_whole(fillings_of(*found, shares, {}))) << "nobody serves it now";
  store.state = "mismatch";
  EXPECT_TRUE(fillings_of(*found, shares, {report})[0].is_hopeless);
}

}  // namespace
}  // namespace tlog::ctl
