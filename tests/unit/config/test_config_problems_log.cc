// What can be wrong with how logs are kept: tlog, journal, and the logs of messages.
#include "tests/unit/config/bad_input.h"

namespace tlog::config {
namespace {

const BadInput kBadLogs[] = {
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
    {"lag_too_short", "CLUSTERS\nVDISKS\ntlog: {maxLag: 99ms}\n", {"3:16: tlog.maxLag: too short"}},
    {"lag_of_nothing",
     "CLUSTERS\nvdisks: {v: {size: 512, storage: {file: x}, tlog: {onLag: alarm}}}\n",
     {"2:59: vdisks.v.tlog.onLag: nothing is promised without maxLag"}},
    {"logs",
     "CLUSTERS\nVDISKS\nlogs:\n  v: {}\n  a: {secondaries: [\"h:1\", \"h:1\"], quorum: 4}\n"
     "  b: {master: \"http://h:1\", secondaries: [\"h:1\"], cluster: d}\n",
     {"4:3: logs.v: a vdisk has this name", "5:28: logs.a.secondaries.1: named twice",
      "5:44: logs.a.quorum: 4 nodes are wanted, and there are 3",
      "6:29: logs.b.secondaries: a secondary has none",
      "6:60: logs.b.cluster: no such cluster: 'd'"}},
    {"logs_cluster_near",
     "clusters: {local: {directories: [a, b, c, d, e, f]}}\nVDISKS\nlogs: {a: {cluster: lcoal}}\n",
     {"3:21: logs.a.cluster: no such cluster: 'lcoal'; did you mean 'local'?, expected local"}},
    {"stripe_clusters_near",
     "clusters:\n  first: {directories: [a]}\n  second: {directories: [b]}\nVDISKS\n"
     "tlog: {servers: [\"unix:/a\", \"unix:/b\"], distribution: stripe, "
     "stripeClusters: [first, secnod]}\n",
     {"5:87: tlog.stripeClusters.1: no such cluster: 'secnod'; did you mean 'second'?"}},
};

TLOG_BAD_INPUTS(Logs, kBadLogs);

}  // namespace
}  // namespace tlog::config
