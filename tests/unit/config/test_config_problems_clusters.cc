// What can be wrong with clusters, their servers and directories, and with paths.
#include "tests/unit/config/bad_input.h"

namespace tlog::config {
namespace {

const BadInput kBadClusters[] = {
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
};

TLOG_BAD_INPUTS(Clusters, kBadClusters);

}  // namespace
}  // namespace tlog::config
