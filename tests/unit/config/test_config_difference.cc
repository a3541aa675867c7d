// Goal: what a new configuration may change while vdisks are served is taken, and nothing else:
// neither the shape of the log, nor what only a start can do, nor part of a file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tlog/config/difference.h"
#include "tlog/config/properties.h"

namespace tlog::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kPath[] = "/e/t.yml";
constexpr char kText[] =
    "clusters:\n"
    "  c: {servers: [{address: \"h:1\"}, {address: \"h:2\"}, {address: \"h:3\"}]}\n"
    "  d: {directories: [a, b, e]}\n"
    "tlog: {cluster: c, dataShards: 2, parityShards: 1, flushSize: 25}\n"
    "vdisks:\n"
    "  v: {size: 1MiB, storage: {file: x}}\n"
    "  w: {size: 1MiB, storage: {file: y}, tlog: {cluster: d, flushTime: 1s}}\n";

std::string with(const std::string& from, const std::string& to, std::string text = kText) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

struct Outcome {
  std::vector<std::string> changes;   // "KEY: OLD -> NEW"
  std::vector<std::string> refusals;  // "LINE:COLUMN: KEY: REASON"
};

Outcome change_to(const std::string& text, const Served& served = {{"v", "w"}, true}) {
  const Checked running = check(kText, kPath);
  EXPECT_THAT(running.problems, IsEmpty());
  const Checked wanted = check(text, kPath);
  EXPECT_THAT(wanted.problems, IsEmpty()) << text;
  const Difference difference = compare(running.config, wanted.config, served);
  Outcome outcome;
  for (const Change& change : difference.changes) {
    outcome.changes.push_back(change.key + ": " + change.text);
  }
  for (const Refusal& refusal : difference.refusals) {
    outcome.refusals.push_back(format_problem(problem_of(refusal, wanted.positions), "").substr(1));
  }
  return outcome;
}

TEST(ConfigDifference, nothing_is_different_but_the_words) {
  const Outcome outcome = change_to(with("flushSize: 25", "flushSize: 25, flushTime: 25000ms"));
  EXPECT_THAT(outcome.changes, IsEmpty());
  EXPECT_THAT(outcome.refusals, IsEmpty());
}

TEST(ConfigDifference, scrubs_may_change) {
  const Outcome outcome =
      change_to(with("flushSize: 25", "flushSize: 25, scrubEvery: 1h, scrubDeepEvery: 0s", kText));
  EXPECT_THAT(outcome.refusals, IsEmpty());
  EXPECT_THAT(outcome.changes, ElementsAre("vdisks.v.tlog.scrubEvery: 24h -> 1h",
                                           "vdisks.v.tlog.scrubDeepEvery: 168h -> 0ns",
                                           "vdisks.w.tlog.scrubEvery: 24h -> 1h",
                                           "vdisks.w.tlog.scrubDeepEvery: 168h -> 0ns"));
}

TEST(ConfigDifference, addresses_passwords_and_times_may_change) {
  std::string text = with("h:2\"", "h:7\", passwordFile: p", kText);
  text = with("]}\n", "], requestTimeout: 500ms}\n", text);
  text = "logLevel: debug\n" + with("flushSize: 25", "flushSize: 50, stallTimeout: 5s", text);
  const Outcome outcome = change_to(text);
  EXPECT_THAT(outcome.refusals, IsEmpty());
  EXPECT_THAT(
      outcome.changes,
      ElementsAre("logLevel: warning -> debug", "vdisks.v.tlog.flushSize: 25 -> 50",
                  "vdisks.v.tlog.stallTimeout: 30s -> 5s", "vdisks.w.tlog.flushSize: 25 -> 50",
                  "vdisks.w.tlog.stallTimeout: 30s -> 5s", "clusters.c.requestTimeout: 2s -> 500ms",
                  "clusters.c.servers.1.address: h:2 -> h:7",
                  "clusters.c.servers.1.passwordFile: none -> /e/p"));
}

// Also where the setting stands in the file's own section, and only there.
TEST(ConfigDifference, the_shape_of_the_log_never_changes) {
  const Outcome outcome = change_to(with("dataShards: 2, parityShards: 1", "dataShards: 1"));
  EXPECT_THAT(
      outcome.refusals,
      ElementsAre(HasSubstr("4:32: vdisks.v.tlog.dataShards: the vdisk was created with 2, "
                            "the file says 1, expected"),
                  HasSubstr("vdisks.v.tlog.parityShards: the vdisk was created with 1, the "
                            "file says 2"),
                  HasSubstr("vdisks.w.tlog.dataShards"), HasSubstr("vdisks.w.tlog.parityShards")));
}

TEST(ConfigDifference, another_kind_of_storage_is_refused_for_both_keys) {
  EXPECT_THAT(change_to(with("{file: x}", "{cluster: c}")).refusals,
              ElementsAre(HasSubstr("6:19: vdisks.v.storage.file: is /e/x while"),
                          HasSubstr("6:38: vdisks.v.storage.cluster: is none while")));
}

struct RefusedChange {
  std::string name;
  std::string from;
  std::string to;
  std::string refusal;
};
void PrintTo(const RefusedChange& change, std::ostream* out) {
  *out << change.name;
}
class ConfigRefusals : public ::testing::TestWithParam<RefusedChange> {};

TEST_P(ConfigRefusals, name_the_place_and_the_reason) {
  const Outcome outcome = change_to(with(GetParam().from, GetParam().to));
  ASSERT_THAT(outcome.refusals, SizeIs(1));
  EXPECT_THAT(outcome.refusals[0], HasSubstr(GetParam().refusal));
  EXPECT_THAT(outcome.refusals[0], HasSubstr("expected"));
}

INSTANTIATE_TEST_SUITE_P(
    All, ConfigRefusals,
    ::testing::Values(
        RefusedChange{"size", "v: {size: 1MiB", "v: {size: 2MiB", "6:13: vdisks.v.size"},
        RefusedChange{"block_size", "v: {size: 1MiB", "v: {blockSize: 512, size: 1MiB",
                      "vdisks.v.blockSize: the vdisk was created with 4KiB, the file says 512"},
        RefusedChange{"read_only", "v: {size: 1MiB", "v: {readOnly: true, size: 1MiB",
                      "vdisks.v.readOnly: is false"},
        RefusedChange{"storage", "file: x", "file: z", "vdisks.v.storage.file: is /e/x"},
        RefusedChange{"durability", "flushTime: 1s", "flushTime: 1s, durability: cluster",
                      "7:85: vdisks.w.tlog.durability: is journal"},
        RefusedChange{"vdisk_new", "vdisks:\n", "vdisks:\n  u: {size: 1MiB, storage: {file: z}}\n",
                      "6:3: vdisks.u: is new"},
        RefusedChange{"vdisk_gone",
                      "  w: {size: 1MiB, storage: {file: y}, tlog: {cluster: d, "
                      "flushTime: 1s}}\n",
                      "", "vdisks.w: is served and no longer in the file"},
        RefusedChange{"one_server_more", "{address: \"h:3\"}", "{address: \"h:3\"}, {address: h:4}",
                      "2:7: clusters.c.servers: has 3 servers while vdisks are served, the file "
                      "has 4"},
        RefusedChange{"directories_order", "[a, b, e]", "[b, a, e]",
                      "clusters.d.directories: is [/e/a, /e/b, /e/e]"},
        RefusedChange{"servers_become_directories",
                      "servers: [{address: \"h:1\"}, {address: \"h:2\"}, {address: \"h:3\"}]",
                      "directories: [p, q, r]", "clusters.c: has servers"},
        RefusedChange{"other_cluster", "w: {size: 1MiB, storage: {file: y}, tlog: {cluster: d",
                      "w: {size: 1MiB, storage: {file: y}, tlog: {cluster: c",
                      "vdisks.w.tlog.cluster"},
        RefusedChange{"journal", "clusters:\n", "journal: {directory: other}\nclusters:\n",
                      "1:22: journal.directory: is /e/journal"},
        RefusedChange{"key", "clusters:\n", "keyFile: k\nclusters:\n", "keyFile: is"},
        RefusedChange{"control_socket", "clusters:\n", "controlSocket: s\nclusters:\n",
                      "controlSocket: is"},
        RefusedChange{"memory", "clusters:\n", "memoryBudget: 1GiB\nclusters:\n",
                      "memoryBudget: is 256MiB"}),
    [](const auto& change) { return change.param.name; });

// A process that serves one vdisk of a file has nothing to do with the others of it.
TEST(ConfigDifference, what_another_process_serves_is_its_own_business) {
  std::string text =
      with("  w: {size: 1MiB", "  u: {size: 2MiB, storage: {file: u}}\n  w: {size: 3MiB");
  text = with("[a, b, e]", "[a, b, f, g]", text);
  const Outcome outcome = change_to(text, {{"v"}, false});
  EXPECT_THAT(outcome.changes, IsEmpty());
  EXPECT_THAT(outcome.refusals, IsEmpty());
  EXPECT_THAT(change_to(text, {{"w"}, false}).refusals, SizeIs(2));
}

TEST(ConfigDifference, a_list_in_another_order_is_a_matter_of_who_is_there) {
  const Outcome outcome = change_to(
      with("{address: \"h:1\"}, {address: \"h:2\"}", "{address: \"h:2\"}, {address: \"h:1\"}"));
  EXPECT_THAT(outcome.refusals, IsEmpty());
  EXPECT_THAT(outcome.changes, SizeIs(2));
}

TEST(ConfigDifference, coordination_may_change_in_its_times_and_members_only) {
  const std::string begin = "coordination: {etcd: [\"http://h:1\"]}\n";
  auto change = [&](const std::string& before, const std::string& after) {
    const Checked running = check(kText + before, kPath);
    const Checked wanted = check(kText + after, kPath);
    EXPECT_THAT(running.problems, IsEmpty());
    EXPECT_THAT(wanted.problems, IsEmpty());
    return compare(running.config, wanted.config, {{"v", "w"}, true});
  };
  const Difference live = change(
      begin,
      "coordination: {etcd: [\"http://h:1\", \"http://h:2\"], leaseTtl: 20s, standby: true}\n");
  EXPECT_THAT(live.refusals, IsEmpty());
  ASSERT_THAT(live.changes, SizeIs(6));
  EXPECT_EQ(live.changes[0].key, "vdisks.v.coordination.etcd");
  EXPECT_EQ(live.changes[0].text, "[http://h:1] -> [http://h:1, http://h:2]");
  for (const std::string& text :
       {std::string(), std::string("coordination: {etcd: [\"http://h:1\"], prefix: p}\n"),
        std::string("coordination: {etcd: [\"http://h:1\"], hostName: p}\n")}) {
    const Difference refused = change(begin, text);
    ASSERT_THAT(refused.refusals, SizeIs(2)) << text;
    EXPECT_THAT(refused.refusals[0].trail, HasSubstr("vdisks/v/coordination/"));
    EXPECT_THAT(refused.changes, IsEmpty());
  }
  EXPECT_THAT(change("", begin).refusals, SizeIs(2));
  const Problem where =
      problem_of({"vdisks/v/coordination/etcd", "x"}, check(kText + begin, kPath).positions);
  EXPECT_EQ(where.line, 8U) << "where the file's own section stands";
}

// A vdisk with a standby cluster, perhaps.
Difference with_standby(const std::string& before, const std::string& after,
                        const std::string& other_clusters = "") {
  auto text = [&](const std::string& vdisk, bool others) {
    return "clusters:\n"
           "  c: {directories: [a]}\n"
           "  p: {servers: [{address: \"h:1\"}]}\n"
           "  s: {servers: [{address: \"h:2\"}, {address: \"h:3\"}]}\n" +
           (others ? other_clusters : "  t: {servers: [{address: \"h:4\"}]}\n") +
           "tlog: {cluster: c, dataShards: 1, parityShards: 0}\n"
           "vdisks: {v: {size: 1MiB, " +
           vdisk + "}}\n";
  };
  const Checked running = check(text(before, false), kPath);
  const Checked wanted = check(text(after, true), kPath);
  EXPECT_THAT(running.problems, IsEmpty());
  EXPECT_THAT(wanted.problems, IsEmpty());
  return compare(running.config, wanted.config, {{"v"}, true});
}

constexpr char kT[] = "  t: {servers: [{address: \"h:4\"}]}\n";
constexpr char kNone[] = "storage: {cluster: p}";
constexpr char kStandby[] = "storage: {cluster: p}, slaveStorage: {cluster: s}";

TEST(ConfigDifference, a_standby_may_come_and_go_and_change) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {std::string(kStandby) + ", tlog: {slaveSync: true, maxLag: 2s, onLag: fail}",
       {"vdisks.v.tlog.slaveSync: false -> true", "vdisks.v.tlog.maxLag: 0ns -> 2s",
        "vdisks.v.tlog.onLag: throttle -> fail"}},
      {"storage: {cluster: p}, slaveStorage: {cluster: t, failoverAfter: 1s, maxLag: 1s, onLag: "
       "alarm}",
       {"vdisks.v.slaveStorage.cluster: s -> t", "vdisks.v.slaveStorage.failoverAfter: 5s -> 1s",
        "vdisks.v.slaveStorage.maxLag: 0ns -> 1s",
        "vdisks.v.slaveStorage.onLag: throttle -> alarm"}},
      {kNone, {"vdisks.v.slaveStorage.cluster: s -> none"}}};
  for (const auto& [after, changes] : cases) {
    SCOPED_TRACE(after);
    const Difference difference = with_standby(kStandby, after, kT);
    EXPECT_THAT(difference.refusals, IsEmpty());
    std::vector<std::string> found;
    for (const Change& change : difference.changes)
      found.push_back(change.key + ": " + change.text);
    EXPECT_EQ(found, changes);
  }
  EXPECT_THAT(with_standby(kNone, kStandby, kT).refusals, IsEmpty());
  EXPECT_THAT(with_standby(kNone, kStandby, kT).changes, SizeIs(1));
}

TEST(ConfigDifference, the_two_clusters_of_the_blocks_may_be_exchanged_and_nothing_else) {
  const Difference exchanged =
      with_standby(kStandby, "storage: {cluster: s}, slaveStorage: {cluster: p}", kT);
  EXPECT_THAT(exchanged.refusals, IsEmpty());
  EXPECT_THAT(exchanged.changes, ElementsAre(Change{"vdisks.v.storage.cluster", "p -> s"},
                                             Change{"vdisks.v.slaveStorage.cluster", "s -> p"}));
  for (const char* after :
       {"storage: {cluster: s}", "storage: {cluster: s}, slaveStorage: {cluster: t}",
        "storage: {cluster: t}, slaveStorage: {cluster: p}",
        "storage: {cluster: t}, slaveStorage: {cluster: s}"}) {
    SCOPED_TRACE(after);
    const Difference refused = with_standby(kStandby, after, kT);
    ASSERT_THAT(refused.refusals, SizeIs(1));
    EXPECT_EQ(refused.refusals[0].trail, "vdisks/v/storage/cluster");
  }
  EXPECT_THAT(with_standby(kNone, "storage: {cluster: s}", kT).refusals, SizeIs(1));
}

// The standby's places are part of what it has, as long as it is the standby.
TEST(ConfigDifference, the_servers_of_a_standby_are_compared_while_it_is_one) {
  const char* on_t = "storage: {cluster: p}, slaveStorage: {cluster: t}";
  const char* two = "  t: {servers: [{address: \"h:4\"}, {address: \"h:5\"}]}\n";
  const char* moved = "  t: {servers: [{address: \"h:7\"}]}\n";
  EXPECT_THAT(with_standby(on_t, on_t, two).refusals, SizeIs(1));
  EXPECT_THAT(with_standby(on_t, on_t, moved).changes,
              ElementsAre(Change{"clusters.t.servers.0.address", "h:4 -> h:7"}));
  for (const char* other : {two, ""}) {
    EXPECT_THAT(with_standby(on_t, kStandby, other).refusals, IsEmpty()) << "not used any more";
    EXPECT_THAT(with_standby(on_t, kNone, other).refusals, IsEmpty()) << "not used any more";
  }
}

// A key that could not be read would be changed unseen.
void every_value_can_be_read(const Section& section, const std::string& trail) {
  for (const Property& property : section.properties) {
    const std::string own = trail + "/" + std::string(property.key);
    if (property.section == nullptr) {
      EXPECT_NE(property.set.read, nullptr) << own;
    } else if (!property.inherits) {
      every_value_can_be_read(*property.section, own);
    }
  }
}
TEST(ConfigDifference, no_key_is_left_out_of_the_comparison) {
  every_value_can_be_read(root_section(), "");
}

}  // namespace
}  // namespace tlog::config
