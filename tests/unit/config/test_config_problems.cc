// Bad files: each gets its errors with the exact line and column, the key, the reason and what is
// expected.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/config/replaced.h"
#include "tlog/base/limits.h"
#include "tlog/config/config.h"

namespace tlog::config {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kProblemsPath[] = "/e/t.yml";
constexpr char kClusters[] = "clusters: {c: {directories: [a, b, c, d, e, f]}}\n";
// With which blocks can be on servers.
constexpr char kServers[] =
    "clusters:\n  c: {directories: [a]}\n  p: {servers: [{address: h:1}]}\n"
    "  s: {servers: [{address: h:2}]}\ntlog: {cluster: c, dataShards: 1, parityShards: 0}\n";
constexpr char kVdisks[] = "vdisks: {v: {size: 1MiB, storage: {file: x}}}\n";

std::string errors_of(const std::string& text) {
  auto config = parse(text, kProblemsPath);
  if (config) return "";
  EXPECT_EQ(config.error().code(), Code::kInvalidArgument);
  return config.error().message();
}

struct BadInput {
  std::string name;
  std::string text;  // with CLUSTERS and VDISKS for the lines above
  std::vector<std::string>
      errors;  // without the path; each line must begin with it, and no other line be there
};

void PrintTo(const BadInput& input, std::ostream* out) {
  *out << input.name;
}

class ConfigProblems : public testing::TestWithParam<BadInput> {};

TEST_P(ConfigProblems, are_all_named_with_their_places) {
  std::string text =
      replaced(replaced(GetParam().text, "CLUSTERS\n", kClusters), "VDISKS\n", kVdisks);
  text = replaced(text, "SERVERS\n", kServers);
  std::string errors = errors_of(text);
  std::vector<std::string> lines;
  for (std::size_t start = 0; start < errors.size();) {
    std::size_t end = std::min(errors.find('\n', start), errors.size());
    lines.push_back(errors.substr(start, end - start));
    start = end + 1;
  }
  ASSERT_EQ(lines.size(), GetParam().errors.size()) << errors << "\n\n" << text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string expected = std::string(kProblemsPath) + ":" + GetParam().errors[i];
    EXPECT_EQ(lines[i].substr(0, expected.size()), expected);
    EXPECT_THAT(lines[i], HasSubstr("expected "));
  }
}

const BadInput kInputs[] = {
    {"empty", "", {"1:1: empty, expected clusters and vdisks"}},
    {"only_comments", "# nothing\n\n", {"1:1: empty"}},
    {"null_document", "~\n", {"1:1: empty"}},
    {"a_word", "hello\n", {"1:1: is a single value"}},
    {"a_list", "- 1\n- 2\n", {"1:1: is a list"}},
    {"two_documents", "CLUSTERS\nVDISKS\n---\nkeyFile: x\n", {"3:1: yaml: a second document"}},
    {"tab",
     "journal:\n  io: auto\n\tsize: 1GiB\n",
     {"3:1: yaml: a tab in the indentation, expected spaces"}},
    {"tab_after_spaces", "journal:\n  \tsize: 1GiB: 2\n", {"2:3: yaml: a tab"}},
    {"unfinished_flow", "clusters: {a: {directories: [x\n", {"2:1: yaml: end of "}},
    {"colon_in_value", "keyFile: a: b\n", {"1:11: yaml: "}},
    {"bad_indentation", "journal:\n  io: auto\n size: 1GiB\n", {"3:2: yaml: "}},
    {"undefined_alias", "keyFile: *k\n", {"1:10: yaml: the referenced anchor is not defined"}},
    {"deep", std::string(100'000, '['), {"1:"}},
    {"deep_maps",
     [] {
       std::string t;
       for (int i = 0; i < 50'000; ++i) t += "{a: ";
       return t;
     }(),
     {"1:"}},
    {"leading_comma", ", a: 1\n", {"1:1: yaml: an unexpected character, expected a key"}},
    {"no_sections",
     "keyFile: k\n",
     {"1:1: vdisks: missing, expected a mapping",
      "1:1: clusters: missing, expected a mapping of names to sections, for example clusters: "
      "{local"}},
    {"no_clusters",
     "clusters: {}\nVDISKS\n",
     {"1:11: clusters: empty, expected a mapping of names to sections, for example clusters: "
      "{local"}},
    {"null_clusters", "clusters:\nVDISKS\n", {"1:1: clusters: is nothing"}},
    {"no_vdisks", "CLUSTERS\nvdisks: {}\n", {"2:9: vdisks: empty"}},
    {"clusters_list", "clusters: [a]\nVDISKS\n", {"1:11: clusters: is a list"}},
    {"cluster_of_nothing", "clusters:\n  c:\nVDISKS\n", {"2:3: clusters.c: is nothing"}},

    {"unknown_key",
     "CLUSTERS\nVDISKS\njounral: {}\n",
     {"3:1: jounral: unknown key; did you mean 'journal'? expected keyFile, journal"}},
    {"unknown_key_far",
     "CLUSTERS\nVDISKS\nxyzzy: 1\n",
     {"3:1: xyzzy: unknown key, expected keyFile"}},
    {"unknown_deep",
     "CLUSTERS\nvdisks:\n  v:\n    size: 1MiB\n    storage: {file: x}\n    tlog: {datashards: 1}\n",
     {"6:12: vdisks.v.tlog.datashards: unknown key; did you mean 'dataShards'?"}},
    {"merge_key",
     "CLUSTERS\nVDISKS\ntlog:\n  <<: {dataShards: 1}\n",
     {"4:3: tlog.<<: unknown key"}},
    {"key_that_is_a_list",
     "CLUSTERS\nVDISKS\n? [a]\n: 1\n",
     {"3:3: the key is a list, expected a word"}},
    {"duplicate_key",
     "CLUSTERS\nVDISKS\nkeyFile: a\nkeyFile: b\n",
     {"4:1: keyFile: duplicate key"}},
    {"duplicate_vdisk",
     "CLUSTERS\nvdisks:\n  v: {size: 512, storage: {file: x}}\n  v: {size: 512, storage: {file: "
     "y}}\n",
     {"4:3: vdisks.v: duplicate name"}},

    {"size_of_nothing",
     "CLUSTERS\nvdisks:\n  v:\n    size:\n    storage: {file: x}\n",
     {"4:5: vdisks.v.size: is nothing, expected a size from 512B"}},
    {"size_zero",
     "CLUSTERS\nvdisks: {v: {size: 0, storage: {file: x}}}\n",
     {"2:20: vdisks.v.size: too small: 0, expected a size from 512B to 4194304TiB, a multiple of "
      "512 bytes"}},
    {"size_odd",
     "CLUSTERS\nvdisks: {v: {size: 1000, storage: {file: x}}}\n",
     {"2:20: vdisks.v.size: not a multiple of 512 bytes: 1000, expected"}},
    {"size_huge",
     "CLUSTERS\nvdisks: {v: {size: 8388608T, storage: {file: x}}}\n",
     {"2:20: vdisks.v.size: too large"}},
    {"size_overflow",
     "CLUSTERS\nvdisks: {v: {size: 99999999T, storage: {file: x}}}\n",
     {"2:20: vdisks.v.size: '99999999T': size: too large"}},
    {"size_negative",
     "CLUSTERS\nvdisks: {v: {size: -1, storage: {file: x}}}\n",
     {"2:20: vdisks.v.size: '-1': size: does not begin with a digit"}},
    {"size_decimal_unit",
     "CLUSTERS\nvdisks: {v: {size: 10GB, storage: {file: x}}}\n",
     {"2:20: vdisks.v.size: '10GB': size: unknown unit"}},
    {"size_a_list",
     "CLUSTERS\nvdisks: {v: {size: [1], storage: {file: x}}}\n",
     {"2:20: vdisks.v.size: is a list"}},
    {"no_size_no_storage",
     "CLUSTERS\nvdisks:\n  v: {description: d}\n",
     {"3:3: vdisks.v.size: missing, expected a size",
      "3:3: vdisks.v.storage: missing, expected a mapping"}},
    {"no_storage_file",
     "CLUSTERS\nvdisks: {v: {size: 512, storage: {}}}\n",
     {"2:25: vdisks.v.storage: has neither file nor cluster, expected one of them"}},
    {"two_storages",
     "CLUSTERS\nvdisks: {v: {size: 512, storage: {file: x, cluster: c}}}\n",
     {"2:25: vdisks.v.storage: has both file and cluster, expected one of them",
      "2:53: vdisks.v.storage.cluster: cluster 'c' has directories, expected a cluster of "
      "servers"}},
    {"storage_on_no_cluster",
     "CLUSTERS\nvdisks: {v: {size: 512, storage: {cluster: cc}}}\n",
     {"2:44: vdisks.v.storage.cluster: no such cluster: 'cc'"}},
    {"storage_a_path",
     "CLUSTERS\nvdisks: {v: {size: 512, storage: x}}\n",
     {"2:34: vdisks.v.storage: is a single value"}},
    {"block_size",
     "CLUSTERS\nvdisks: {v: {size: 512, blockSize: 3000, storage: {file: x}}}\n",
     {"2:36: vdisks.v.blockSize: not a power of two: 3000, expected a size from 512B to 64KiB, a "
      "power of two"}},
    {"block_size_small",
     "CLUSTERS\nvdisks: {v: {size: 512, blockSize: 256, storage: {file: x}}}\n",
     {"2:36: vdisks.v.blockSize: too small"}},
    {"block_size_large",
     "CLUSTERS\nvdisks: {v: {size: 512, blockSize: 128KiB, storage: {file: x}}}\n",
     {"2:36: vdisks.v.blockSize: too large"}},
    {"read_only_yes",
     "CLUSTERS\nvdisks: {v: {size: 512, readOnly: yes, storage: {file: x}}}\n",
     {"2:35: vdisks.v.readOnly: not a truth value: 'yes', expected true or false"}},
    {"read_only_quoted",
     "CLUSTERS\nvdisks: {v: {size: 512, readOnly: \"true\", storage: {file: x}}}\n",
     {"2:35: vdisks.v.readOnly: not a truth value"}},
    {"description_control",
     "CLUSTERS\nvdisks: {v: {size: 512, description: \"a\\nb\", storage: {file: x}}}\n",
     {"2:38: vdisks.v.description: has a control character"}},

    {"name_slash",
     "CLUSTERS\nvdisks:\n  a/b: {size: 512, storage: {file: x}}\n",
     {"3:3: vdisks: 'a/b' is not a name, expected 1 to 64"}},
    {"name_dots",
     "CLUSTERS\nvdisks:\n  ..: {size: 512, storage: {file: x}}\n",
     {"3:3: vdisks: '..' is not a name"}},
    {"name_long",
     "CLUSTERS\nvdisks:\n  " + std::string(65, 'n') + ": {size: 512, storage: {file: x}}\n",
     {"3:3: vdisks: 'nnnn"}},
    {"name_empty",
     "CLUSTERS\nvdisks:\n  \"\": {size: 512, storage: {file: x}}\n",
     {"3:3: vdisks: '' is not a name"}},
    {"cluster_name",
     "clusters:\n  \"a b\": {directories: [x]}\nVDISKS\n",
     {"2:3: clusters: 'a b' is not a name"}},

    {"no_data_shards",
     "CLUSTERS\nVDISKS\ntlog: {dataShards: 0}\n",
     {"3:20: tlog.dataShards: too small: 0, expected an integer from 1 to 16"}},
    {"many_data_shards",
     "CLUSTERS\nVDISKS\ntlog: {dataShards: 17}\n",
     {"3:20: tlog.dataShards: too large: 17"}},
    {"many_parity_shards",
     "CLUSTERS\nVDISKS\ntlog: {parityShards: 5}\n",
     {"3:22: tlog.parityShards: too large: 5, expected an integer from 0 to 4"}},
    {"shards_word",
     "CLUSTERS\nVDISKS\ntlog: {dataShards: four}\n",
     {"3:20: tlog.dataShards: not a number: 'four'"}},
    {"shards_do_not_fit",
     "clusters: {c: {directories: [a, b]}}\nVDISKS\n",
     {"2:10: vdisks.v.tlog: 4+2 shards need 6 stores and cluster 'c' has 2, expected dataShards + "
      "parityShards of at "
      "most 2"}},
    {"default_shards_do_not_fit",
     "clusters: {c: {directories: [a, b]}}\nVDISKS\ntlog: {parityShards: 1, dataShards: 2}\n",
     {"3:37: tlog.dataShards: 2+1 shards need 3 stores"}},
    {"own_shards_do_not_fit",
     "CLUSTERS\nvdisks: {v: {size: 512, storage: {file: x}, tlog: {parityShards: 3}}}\n",
     {"2:66: vdisks.v.tlog.parityShards: 4+3 shards need 7 stores and cluster 'c' has 6"}},
    {"write_quorum_below_k",
     "CLUSTERS\nVDISKS\ntlog: {writeQuorum: 3}\n",
     {"3:21: tlog.writeQuorum: a write quorum of 3 is impossible with 4+2 shards, expected "
      "writeQuorum from 4 to 6"}},
    {"write_quorum_above_all",
     "CLUSTERS\nvdisks: {v: {size: 512, storage: {file: x}, tlog: {writeQuorum: 7}}}\n",
     {"2:65: vdisks.v.tlog.writeQuorum: a write quorum of 7 is impossible with 4+2"}},
    {"write_quorum_does_not_fit_own_shards",
     "CLUSTERS\nvdisks: {v: {size: 512, storage: {file: x}, tlog: {dataShards: 2}}}\n"
     "tlog: {writeQuorum: 6}\n",
     {"2:64: vdisks.v.tlog.dataShards: a write quorum of 6 is impossible with 2+2"}},
    {"flush_size", "CLUSTERS\nVDISKS\ntlog: {flushSize: 0}\n", {"3:19: tlog.flushSize: too small"}},
    {"flush_time",
     "CLUSTERS\nVDISKS\ntlog: {flushTime: 25}\n",
     {"3:19: tlog.flushTime: '25': duration: unit missing"}},
    {"flush_time_zero",
     "CLUSTERS\nVDISKS\ntlog: {flushTime: 0s}\n",
     {"3:19: tlog.flushTime: too small: 0s, expected a duration from 1ms to 24h"}},
    {"stall_timeout",
     "CLUSTERS\nVDISKS\ntlog: {stallTimeout: 25h}\n",
     {"3:22: tlog.stallTimeout: too large"}},
    {"durability",
     "CLUSTERS\nVDISKS\ntlog: {durability: always}\n",
     {"3:20: tlog.durability: unknown: 'always', expected one of journal or cluster"}},

    {"journal_small",
     "CLUSTERS\nVDISKS\njournal: {size: 1MiB}\n",
     {"3:17: journal.size: too small: 1MiB, expected a size from 8MiB"}},
    {"journal_odd",
     "CLUSTERS\nVDISKS\njournal: {size: 9000001}\n",
     {"3:17: journal.size: not a multiple of 4096 bytes"}},
    {"arena_small",
     "CLUSTERS\nVDISKS\njournal: {arenaSize: 1MiB}\n",
     {"3:22: journal.arenaSize: too small"}},
    {"arena_larger_than_journal",
     "CLUSTERS\nVDISKS\njournal: {size: 8MiB, arenaSize: 16MiB}\n",
     {"3:34: journal.arenaSize: the arena of 16MiB is larger than the journal, expected at most "
      "8MiB"}},
    {"io",
     "CLUSTERS\nVDISKS\njournal: {io: aio}\n",
     {"3:15: journal.io: unknown: 'aio', expected one of auto, uring or posix"}},
    {"memory_budget", "CLUSTERS\nVDISKS\nmemoryBudget: 1MiB\n", {"3:15: memoryBudget: too small"}},

    {"unknown_cluster",
     "CLUSTERS\nVDISKS\ntlog: {cluster: d}\n",
     {"3:17: tlog.cluster: no such cluster: 'd', expected c"}},
    {"unknown_cluster_near",
     "clusters: {local: {directories: [a]}}\nvdisks: {v: {size: 512, storage: {file: x}, tlog: "
     "{cluster: lcoal, dataShards: 1, parityShards: 0}}}\n",
     {"2:61: vdisks.v.tlog.cluster: no such cluster: 'lcoal'; did you mean 'local'?"}},
    {"cluster_not_named",
     "clusters: {a: {directories: [p]}, b: {directories: [q]}}\nVDISKS\n",
     {"2:10: vdisks.v.tlog.cluster: missing, expected a or b"}},
    {"cluster_with_neither",
     "clusters: {c: {}}\nVDISKS\n",
     {"1:12: clusters.c: has neither directories nor servers, expected one of them"}},
    {"cluster_with_both",
     "clusters: {c: {directories: [a, b, c, d, e, f], servers: [{address: \"h:1\"}]}}\nVDISKS\n",
     {"1:12: clusters.c: has both directories and servers, expected one of them"}},
    {"no_directories",
     "clusters: {c: {directories: []}}\nVDISKS\n",
     {"1:29: clusters.c.directories: empty"}},
    {"no_servers", "clusters: {c: {servers: []}}\nVDISKS\n", {"1:25: clusters.c.servers: empty"}},
    {"directory_of_nothing",
     "clusters: {c: {directories: [a, ~, b, c, d, e]}}\nVDISKS\n",
     {"1:33: clusters.c.directories.1: is nothing, expected a path"}},
    {"same_directory",
     "clusters: {c: {directories: [a, b, ./a, c, d, e]}}\nVDISKS\n",
     {"1:36: clusters.c.directories.2: '/e/a' is the same as clusters.c.directories.0"}},
    {"nested_directories",
     "clusters:\n  c: {directories: [a, b, c, d, e, f]}\n  d: {directories: [g, "
     "a/b]}\nVDISKS\ntlog: {cluster: c}\n",
     {"3:24: clusters.d.directories.1: '/e/a/b' is nested with clusters.c.directories.0"}},
    {"store_in_journal",
     "clusters: {c: {directories: [journal, b, c, d, e, f]}}\nVDISKS\n",
     {"1:30: clusters.c.directories.0: '/e/journal' is the same as journal.directory"}},
    {"directory_root",
     "clusters: {c: {directories: [a, b, c, d, e, f]}, d: {directories: [/]}}\nVDISKS\ntlog: "
     "{cluster: c}\n",
     {"1:68: clusters.d.directories.0: '/' is nested with journal.directory",
      "2:42: vdisks.v.storage.file: '/e/x' is inside"}},
    {"path_tilde",
     "CLUSTERS\nVDISKS\nkeyFile: ~/key\n",
     {"3:10: keyFile: '~/key': '~' has no meaning here, expected a path"}},
    {"path_empty", "CLUSTERS\nVDISKS\nkeyFile: \"\"\n", {"3:10: keyFile: empty, expected a path"}},
    {"path_zero",
     "CLUSTERS\nVDISKS\nkeyFile: \"a\\x00b\"\n",
     {"3:10: keyFile: has a control character"}},
    {"path_long",
     "CLUSTERS\nVDISKS\nkeyFile: " + std::string(5000, 'p') + "\n",
     {"3:10: keyFile: longer than 4095 bytes"}},

    {"server_without_address",
     "clusters: {c: {servers: [{db: 1}]}}\nVDISKS\ntlog: {dataShards: 1, parityShards: 0}\n",
     {"1:26: clusters.c.servers.0.address: missing, expected \"host:port\""}},
    {"server_a_word",
     "clusters: {c: {servers: [a:1]}}\nVDISKS\ntlog: {dataShards: 1, parityShards: 0}\n",
     {"1:26: clusters.c.servers.0: is a single value"}},
    {"server_no_port",
     "clusters: {c: {servers: [{address: localhost}]}}\nVDISKS\ntlog: {dataShards: 1, "
     "parityShards: 0}\n",
     {"1:36: clusters.c.servers.0.address: has no port, expected \"host:port\""}},
    {"server_bad_port",
     "clusters: {c: {servers: [{address: \"h:70000\"}]}}\nVDISKS\ntlog: {dataShards: 1, "
     "parityShards: 0}\n",
     {"1:36: clusters.c.servers.0.address: the port is not"}},
    {"server_bare_ipv6",
     "clusters: {c: {servers: [{address: \"::1:6379\"}]}}\nVDISKS\ntlog: {dataShards: 1, "
     "parityShards: 0}\n",
     {"1:36: clusters.c.servers.0.address: an IPv6 address stands in brackets"}},
    {"server_twice",
     "clusters: {c: {servers: [{address: \"h:1\"}, {address: \"h:1\", db: 0}]}}\nVDISKS\n"
     "tlog: {dataShards: 1, parityShards: 0}\n",
     {"1:44: clusters.c.servers.1: the same server and database as clusters.c.servers.0"}},
    {"server_unix_long",
     "clusters: {c: {servers: [{address: \"unix:/" + std::string(120, 'u') +
         "\"}]}}\nVDISKS\n"
         "tlog: {dataShards: 1, parityShards: 0}\n",
     {"1:36: clusters.c.servers.0.address: the path of a Unix socket with 121 bytes (at most "
      "107)"}},

    {"same_storage",
     "CLUSTERS\nvdisks:\n  v: {size: 512, storage: {file: x}}\n  w: {size: 512, storage: {file: "
     "../e/x}}\n",
     {"4:34: vdisks.w.storage.file: '/e/x' is vdisks.v.storage.file too"}},
    {"storage_is_key",
     "CLUSTERS\nvdisks: {v: {size: 512, storage: {file: tlogdisk.key}}}\n",
     {"2:41: vdisks.v.storage.file: '/e/tlogdisk.key' is keyFile too"}},
    {"storage_is_config",
     "CLUSTERS\nvdisks: {v: {size: 512, storage: {file: t.yml}}}\n",
     {"2:41: vdisks.v.storage.file: '/e/t.yml' is the configuration itself too"}},
    {"storage_in_journal",
     "CLUSTERS\nvdisks: {v: {size: 512, storage: {file: journal/v}}}\n",
     {"2:41: vdisks.v.storage.file: '/e/journal/v' is inside the directory of journal.directory"}},
    {"control_socket_long",
     "CLUSTERS\nVDISKS\ncontrolSocket: /" + std::string(110, 's') + "\n",
     {"3:16: controlSocket: /sss"}},
    {"control_socket_long_for_a_vdisk",
     "CLUSTERS\nVDISKS\ncontrolSocket: /" + std::string(105, 's') + "\n",
     {"3:16: controlSocket: /sss"}},
    {"coordination_key",
     "CLUSTERS\nVDISKS\ncoordination: {etcd: [\"http://h:1\"], leaseTTL: 5s}\n",
     {"3:38: coordination.leaseTTL: unknown key; did you mean 'leaseTtl'?"}},
    {"coordination_without_etcd",
     "CLUSTERS\nVDISKS\ncoordination: {prefix: p}\n",
     {"3:1: coordination.etcd: missing"}},
    {"coordination_members",
     "CLUSTERS\nVDISKS\ncoordination: {etcd: [\"h:1\", \"http://u:p@h:1\", http://h, {}]}\n",
     {"3:23: coordination.etcd.0: begins with neither http:// nor https://",
      "3:30: coordination.etcd.1: has a user or password in it",
      "3:48: coordination.etcd.2: has no port", "3:58: coordination.etcd.3: is a mapping"}},
    {"coordination_values",
     "CLUSTERS\nvdisks:\n  v:\n    size: 1MiB\n    storage: {file: x}\n"
     "    coordination: {etcd: [\"http://h:1\"], prefix: /a, leaseTtl: 2500ms, passwordFile: p}\n",
     {"6:50: vdisks.v.coordination.prefix: '/a' cannot begin a key",
      "6:64: vdisks.v.coordination.leaseTtl: 2500ms is not a number of whole seconds",
      "6:86: vdisks.v.coordination.passwordFile: a password without a user"}},
    {"slave_storage_of_a_file",
     "SERVERS\nvdisks:\n  v:\n    size: 1MiB\n    storage: {file: x}\n"
     "    slaveStorage: {cluster: s}\n",
     {"10:5: vdisks.v.slaveStorage: blocks in a file cannot go over"}},
    {"slave_storage_of_the_same_cluster",
     "SERVERS\nvdisks:\n  v:\n    size: 1MiB\n    storage: {cluster: p}\n"
     "    slaveStorage: {cluster: p}\n",
     {"10:29: vdisks.v.slaveStorage.cluster: cluster 'p' has the vdisk's blocks already"}},
    {"slave_storage_in_directories",
     "SERVERS\nvdisks:\n  v:\n    size: 1MiB\n    storage: {cluster: p}\n"
     "    slaveStorage: {cluster: c}\n",
     {"10:29: vdisks.v.slaveStorage.cluster: cluster 'c' has directories, expected a cluster of "
      "servers"}},
    {"logs",
     "CLUSTERS\nVDISKS\nlogs:\n  v: {}\n  a: {secondaries: [\"h:1\", \"h:1\"], quorum: 4}\n"
     "  b: {master: \"http://h:1\", secondaries: [\"h:1\"], cluster: d}\n",
     {"4:3: logs.v: a vdisk has this name", "5:28: logs.a.secondaries.1: named twice",
      "5:44: logs.a.quorum: 4 nodes are wanted, and there are 3",
      "6:29: logs.b.secondaries: a secondary has none",
      "6:60: logs.b.cluster: no such cluster: 'd'"}},
    {"slave_storage_nowhere",
     "SERVERS\nvdisks:\n  v:\n    size: 1MiB\n    storage: {cluster: p}\n"
     "    slaveStorage: {cluster: ss}\n",
     {"10:29: vdisks.v.slaveStorage.cluster: no such cluster: 'ss'; did you mean 's'?"}},
    {"slave_storage_without_cluster",
     "SERVERS\nvdisks:\n  v:\n    size: 1MiB\n    storage: {cluster: p}\n"
     "    slaveStorage: {failoverAfter: 1s}\n",
     {"10:5: vdisks.v.slaveStorage.cluster: missing"}},
    {"slave_storage_values",
     "SERVERS\nvdisks:\n  v:\n    size: 1MiB\n    storage: {cluster: p}\n"
     "    slaveStorage: {cluster: s, failoverAfter: 1ms, maxLag: 50ms, onLag: panic}\n",
     {"10:47: vdisks.v.slaveStorage.failoverAfter: too short: 1ms, expected 0s or at least 100ms",
      "10:60: vdisks.v.slaveStorage.maxLag: too short: 50ms, expected 0s or at least 100ms",
      "10:73: vdisks.v.slaveStorage.onLag: "}},
    {"slave_storage_lag_of_nothing",
     "SERVERS\nvdisks:\n  v:\n    size: 1MiB\n    storage: {cluster: p}\n"
     "    slaveStorage: {cluster: s, onLag: fail}\n",
     {"10:39: vdisks.v.slaveStorage.onLag: nothing is promised without maxLag"}},
    {"slave_storage_on_a_server_of_storage",
     "clusters:\n  c: {directories: [a]}\n  p: {servers: [{address: h:1, db: 1}]}\n"
     "  s: {servers: [{address: h:2}, {address: h:1, db: 1}]}\n"
     "tlog: {cluster: c, dataShards: 1, parityShards: 0}\n"
     "vdisks: {v: {size: 1MiB, storage: {cluster: p}, slaveStorage: {cluster: s}}}\n",
     {"4:33: clusters.s.servers.1: the same server and database as clusters.p.servers.0"}},
    {"slave_sync_with_nothing_to_follow",
     "SERVERS\nvdisks:\n  v:\n    size: 1MiB\n    storage: {cluster: p}\n"
     "    tlog: {slaveSync: true}\n",
     {"10:23: vdisks.v.tlog.slaveSync: the vdisk has nothing that could follow"}},
    {"lag_too_short", "CLUSTERS\nVDISKS\ntlog: {maxLag: 99ms}\n", {"3:16: tlog.maxLag: too short"}},
    {"lag_of_nothing",
     "CLUSTERS\nvdisks: {v: {size: 512, storage: {file: x}, tlog: {onLag: alarm}}}\n",
     {"2:59: vdisks.v.tlog.onLag: nothing is promised without maxLag"}},
    {"several",
     "CLUSTERS\nvdisks:\n  v: {size: 1, storage: {file: x}}\ntlog: {dataShards: x}\nkeyfile: a\n",
     {"3:13: vdisks.v.size: too small", "4:20: tlog.dataShards: not a number",
      "5:1: keyfile: unknown key; did you mean 'keyFile'?"}},
};

INSTANTIATE_TEST_SUITE_P(Inputs, ConfigProblems, testing::ValuesIn(kInputs),
                         [](const auto& input) { return input.param.name; });

// No error repeats what may be a secret: values of unknown keys, addresses with passwords, keys in
// place of paths.
TEST(ConfigSecrets, key_is_nowhere) {
  const std::string secret(64, 'd');
  for (const std::string& text :
       {"password: " + secret + "\n", "keyFile: " + secret + "\n",
        "keyFile: tlogdisk-key-1:" + secret + "\n",
        "clusters: {c: {servers: [{address: \"redis://u:" + secret + "@h:1\"}]}}\n",
        "clusters: {c: {servers: [{address: \"u:" + secret + "@h:1\"}]}}\n",
        "clusters: {c: {servers: [{address: \"h:1\", password: " + secret + "}]}}\n"}) {
    std::string errors = errors_of(text);
    EXPECT_NE(errors, "");
    EXPECT_THAT(errors, Not(HasSubstr(secret)));
  }
}

TEST(ConfigLimits, problems_of_one_file_are_bounded) {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += "k" + std::to_string(i) + ": 1\n";
  EXPECT_LE(check(text, kProblemsPath).problems.size(), kConfigProblemsMax);
  std::string names = std::string(kClusters) + "vdisks:\n";
  for (int i = 0; i < 2'000; ++i) {
    names +=
        "  v" + std::to_string(i) + ": {size: 512, storage: {file: f" + std::to_string(i) + "}}\n";
  }
  auto problems = check(names, kProblemsPath).problems;
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].reason, "too many, expected at most 1024");
}

// The billion laughs: each line doubles the one before. What is not in the table is not entered.
TEST(ConfigLimits, aliases_that_multiply_are_harmless) {
  std::string text = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 60; ++i) {
    std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before + ", " + before +
            "]\n";
  }
  text += "clusters: {c: {directories: *a59}}\nvdisks: *a59\n";
  auto start = std::chrono::steady_clock::now();
  EXPECT_NE(errors_of(text), "");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

TEST(ConfigLimits, an_alias_to_its_own_section_ends) {
  EXPECT_LE(check("&a {clusters: *a, vdisks: *a}\n", kProblemsPath).problems.size(), 20u);
}

// One large section, meant by a thousand vdisks.
TEST(ConfigLimits, an_alias_to_a_large_section_is_harmless) {
  std::string text = "x: &x\n";
  for (int i = 0; i < 20'000; ++i) text += "  k" + std::to_string(i) + ": 1\n";
  text += std::string(kClusters) + "vdisks:\n";
  for (int i = 0; i < 1'000; ++i) text += "  v" + std::to_string(i) + ": *x\n";
  auto start = std::chrono::steady_clock::now();
  EXPECT_NE(errors_of(text), "");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

}  // namespace
}  // namespace tlog::config
