#include "tlog/base/stripe_limits.h"
#include "tlog/config/property_access.h"

// How the log is written, and by which of the hosts.
namespace tlog::config {

// The order of a kChoice's words is the order of its enumerators.
static_assert(static_cast<int>(Durability::kJournal) == 0 &&
              static_cast<int>(Durability::kCluster) == 1);
static_assert(static_cast<int>(Distribution::kMirror) == 0 &&
              static_cast<int>(Distribution::kStripe) == 1);
static_assert(static_cast<int>(OnLag::kThrottle) == 0 && static_cast<int>(OnLag::kAlarm) == 1 &&
              static_cast<int>(OnLag::kFail) == 2);

const Section& server_tls_section() {
  static const Section section{
      "The servers are talked to by TLS; this section says with what. Without it: in clear. A "
      "vdisk's own keys stand on top of the file's, except verify.",
      {
          {.key = "caFile",
           .type = Type::kPath,
           .description = "The certificate authority of the servers.",
           .default_note = "those that the system knows",
           .example = "tlogserver-ca.pem",
           .set = assign<&ServerTls::ca_file>},
          {.key = "certificateFile",
           .type = Type::kPath,
           .description = "This host's certificate, for servers that want one.",
           .default_note = "none",
           .example = "host.pem",
           .set = assign<&ServerTls::certificate_file>},
          {.key = "keyFile",
           .type = Type::kPath,
           .description = "The private key of that certificate, mode 0600.",
           .default_note = "none",
           .example = "host-key.pem",
           .set = assign<&ServerTls::key_file>},
          {.key = "pskFile",
           .type = Type::kPath,
           .description = "Instead of certificates: a file of mode 0600 with lines "
                          "`identity:hex`, as psktool makes it.",
           .default_note = "none",
           .example = "tlogserver.psk",
           .set = assign<&ServerTls::psk_file>},
          {.key = "pskIdentity",
           .type = Type::kText,
           .description = "Which of its lines.",
           .default_note = "the only one",
           .example = "host-a",
           .set = assign<&ServerTls::psk_identity>},
          {.key = "serverName",
           .type = Type::kText,
           .description = "The name that the servers' certificates must have.",
           .default_note = "the host of the server's address",
           .example = "tlog.example.org",
           .set = assign<&ServerTls::server_name>},
          {.key = "verify",
           .type = Type::kBoolean,
           .description = "Whether the servers' certificates are checked. Without it anybody in "
                          "between can read and change everything, the key included.",
           .default_text = "true",
           .set = assign<&ServerTls::verify>},
      }};
  return section;
}

const Section& tlog_section() {
  static const Section section{
      "How the log is gathered, coded and stored: the defaults of all vdisks.",
      {
          {.key = "cluster",
           .type = Type::kName,
           .description = "The cluster that keeps the log.",
           .default_note = "the only cluster, if there is exactly one, and there are no servers",
           .example = "local",
           .set = assign<&Tlog::cluster>},
          {.key = "servers",
           .type = Type::kAddresses,
           .description = "Instead of a cluster: tlogservers that keep the log in stores of "
                          "theirs, each a whole one. They say what k and m are.",
           .default_note = "none; a log is kept either by a cluster or by servers",
           .example = "[\"10.0.0.1:11211\", \"10.0.0.2:11211\"]",
           .example_only = true,
           .alternative = true,
           .set = assign<&Tlog::servers>},
          {.key = "distribution",
           .type = Type::kChoice,
           .description =
               "What the servers keep. mirror: each the whole log. stripe: each a part of it, "
               "which "
               "shares the work, not the risk; all of them are needed. Fixed when the vdisk is "
               "created, with the order of the servers.",
           .default_text = "mirror",
           .example_only = true,
           .alternative = true,
           .choices = {"mirror", "stripe"},
           .reload = Reload::kNever,
           .set = assign<&Tlog::distribution>},
          {.key = "stripes",
           .type = Type::kInteger,
           .description =
               "With distribution: stripe, into how many parts the log is divided. The servers are "
               "divided evenly among them, in their order, and those of one part mirror it. Fixed "
               "when the vdisk is created.",
           .default_note = "one for each server",
           .example = "2",
           .example_only = true,
           .alternative = true,
           .minimum = 2,
           .maximum = kStripesMax,
           .reload = Reload::kNever,
           .set = assign<&Tlog::stripes>},
          {.key = "stripeClusters",
           .type = Type::kNames,
           .description =
               "For tlogplay, which reads a striped log without the servers: the clusters whose "
               "stores they use, for each part of the log one, in their order.",
           .default_note = "none",
           .example = "[left, right]",
           .example_only = true,
           .alternative = true,
           .set = assign<&Tlog::stripe_clusters>},
          {.key = "writeConcern",
           .type = Type::kInteger,
           .description = "How many of the servers must have stored a write before it counts as "
                          "stored; of a striped log those of its part. Those that share their "
                          "stores count as one.",
           .default_text = "1",
           .example_only = true,
           .alternative = true,
           .minimum = 1,
           .maximum = kClusterStoresMax,
           .set = assign<&Tlog::write_concern>},
          {.key = "received",
           .type = Type::kInteger,
           .description = "With durability: cluster, a FLUSH waits until so many of the servers "
                          "have received what was written, in memory, instead of until "
                          "writeConcern of them have stored it. 0: it waits for that.",
           .default_text = "0",
           .example_only = true,
           .alternative = true,
           .maximum = kClusterStoresMax,
           .set = assign<&Tlog::received>},
          {.key = "tls",
           .type = Type::kSection,
           .description = server_tls_section().description,
           .example_only = true,
           .alternative = true,
           .section = &server_tls_section(),
           .enter = enter_member<&Tlog::tls>},
          {.key = "insecure",
           .type = Type::kBoolean,
           .description = "Hands the key to the servers also where others can read it: neither "
                          "TLS nor a Unix socket.",
           .default_text = "false",
           .example_only = true,
           .alternative = true,
           .set = assign<&Tlog::insecure>},
          {.key = "dataShards",
           .type = Type::kInteger,
           .description = "k: the number of pieces an aggregation is cut into. Fixed when the "
                          "vdisk is created.",
           .default_text = "4",
           .minimum = 1,
           .maximum = kDataShardsMax,
           .reload = Reload::kNever,
           .set = assign<&Tlog::data_shards>},
          {.key = "parityShards",
           .type = Type::kInteger,
           .description =
               "m: the number of stores that may be lost without losing data. k + m is at most the "
               "number of the cluster's stores. Fixed when the vdisk is created.",
           .default_text = "2",
           .maximum = kParityShardsMax,
           .reload = Reload::kNever,
           .set = assign<&Tlog::parity_shards>},
          {.key = "writeQuorum",
           .type = Type::kInteger,
           .description =
               "How many stores must have confirmed their shard before an aggregation counts as "
               "stored, from k to k + m; all k + m are always sent, and what misses follows. With "
               "k + 1, writing goes on while m - 1 stores are away, and right after a flush one "
               "more may be lost. More: writing stops earlier. k: it goes on with m stores away, "
               "but the loss of one store right after a flush may lose what was flushed. Takes "
               "effect when the vdisk is opened.",
           .default_note = "k + 1, or k if there are no parity shards",
           .example = "5",
           .minimum = 1,
           .maximum = kDataShardsMax + kParityShardsMax,
           .set = assign<&Tlog::write_quorum>},
          {.key = "flushSize",
           .type = Type::kInteger,
           .description = "Writes after which an aggregation is closed and stored. A minimum: "
                          "under load it takes "
                          "what has gathered meanwhile.",
           .default_text = "25",
           .minimum = 1,
           .maximum = kAggregationRecordsMax,
           .reload = Reload::kLive,
           .set = assign<&Tlog::flush_size>},
          {.key = "flushTime",
           .type = Type::kDuration,
           .description =
               "The longest time for which a write waits until its aggregation is closed.",
           .default_text = "25s",
           .minimum = kMillisecondNs,
           .maximum = kDayNs,
           .reload = Reload::kLive,
           .set = assign<&Tlog::flush_time_ns>},
          {.key = "durability",
           .type = Type::kChoice,
           .description = "What a FLUSH waits for: the journal on this host, or the stores of the "
                          "cluster as well.",
           .default_text = "journal",
           .choices = {"journal", "cluster"},
           .set = assign<&Tlog::durability>},
          {.key = "stallTimeout",
           .type = Type::kDuration,
           .description = "How long a writer waits for room in a full journal before it is "
                          "answered with an error.",
           .default_text = "30s",
           .minimum = kMillisecondNs,
           .maximum = kDayNs,
           .reload = Reload::kLive,
           .set = assign<&Tlog::stall_timeout_ns>},
          {.key = "scrubEvery",
           .type = Type::kDuration,
           .description =
               "How long after a scrub in the background it is looked again whether every store "
               "has its shard of every aggregation; what is missing is made anew. 0s: never.",
           .default_text = "24h",
           .maximum = 3660 * kDayNs,
           .reload = Reload::kLive,
           .set = assign<&Tlog::scrub_every_ns>},
          {.key = "scrubDeepEvery",
           .type = Type::kDuration,
           .description = "The same for reading and checking every shard. 0s: never.",
           .default_text = "168h",
           .maximum = 3660 * kDayNs,
           .reload = Reload::kLive,
           .set = assign<&Tlog::scrub_deep_every_ns>},
          {.key = "scrubRate",
           .type = Type::kSize,
           .description = "How much scrubs in the background read a second, for each vdisk; 0 for "
                          "no limit. While writes are on their way to the stores it is an eighth "
                          "of that.",
           .default_text = "16MiB",
           .maximum = kTiB,
           .reload = Reload::kLive,
           .set = assign<&Tlog::scrub_rate>},
          {.key = "slaveSync",
           .type = Type::kBoolean,
           .description = "Whether the vdisk's slaveStorage, if it has one, follows the log, so "
                          "that the vdisk can go over to it.",
           .default_text = "false",
           .reload = Reload::kLive,
           .set = assign<&Tlog::slave_sync>},
          {.key = "maxLag",
           .type = Type::kDuration,
           .description = "How old the oldest write may become that is acknowledged and not "
                          "stored. Aggregations are closed within a quarter of that, also when "
                          "flushTime is longer. 0s: no limit.",
           .default_text = "0s",
           .maximum = kDayNs,
           .reload = Reload::kLive,
           .set = assign_within<&Tlog::lag, &LagLimit::max_ns>},
          {.key = "onLag",
           .type = Type::kChoice,
           .description =
               "What keeps maxLag. throttle: writers are slowed from three quarters of it on, and "
               "wait when it is reached, for stallTimeout at most. alarm: `tlogctl status` and the "
               "log say so. fail: so they do, and writes are answered with an error while it "
               "lasts.",
           .default_text = "throttle",
           .choices = {"throttle", "alarm", "fail"},
           .reload = Reload::kLive,
           .set = assign_within<&Tlog::lag, &LagLimit::on_lag>},
      }};
  return section;
}

const Section& coordination_section() {
  static const Section section{
      "For vdisks that several hosts may serve, with their log on servers that all of them reach: "
      "the one that holds a lease in etcd serves a vdisk, and when that lease ends another takes "
      "it over by itself. The stores refuse a second writer also without it.",
      {
          {.key = "etcd",
           .type = Type::kUrls,
           .description = "The members of an etcd, version 3.4 or later, all hosts' the same.",
           .default_note = "none: no coordination",
           .example = "[\"http://10.0.0.1:2379\", \"http://10.0.0.2:2379\"]",
           .reload = Reload::kLive,
           .set = assign<&Coordination::etcd>},
          {.key = "prefix",
           .type = Type::kText,
           .description = "What the keys there begin with, all hosts' the same: `PREFIX/writers/"
                          "NAME` is the vdisk's. Vdisks of one name and different logs need "
                          "different ones.",
           .default_text = "tlogdisk",
           .set = assign<&Coordination::prefix>},
          {.key = "leaseTtl",
           .type = Type::kDuration,
           .description = "After how long another host may take over from one that does not say "
                          "any more that it is alive. Whole seconds. Longer than the pauses that "
                          "the host's processes and etcd are known to make.",
           .default_text = "10s",
           .minimum = 2'000 * kMillisecondNs,
           .maximum = 3'600'000 * kMillisecondNs,
           .reload = Reload::kLive,
           .set = assign<&Coordination::lease_ttl_ns>},
          {.key = "hostName",
           .type = Type::kText,
           .description = "What this host is called in messages of the others.",
           .default_note = "the system's name",
           .example = "host-a",
           .set = assign<&Coordination::host_name>},
          {.key = "standby",
           .type = Type::kBoolean,
           .description = "Whether a client that connects to a host that does not serve the vdisk "
                          "now waits until it does, for at most five minutes, instead of being "
                          "refused.",
           .default_text = "false",
           .reload = Reload::kLive,
           .set = assign<&Coordination::standby>},
          {.key = "caFile",
           .type = Type::kPath,
           .description = "The certificate authority of etcd's members, for https.",
           .default_note = "those that the system knows",
           .example = "etcd-ca.pem",
           .reload = Reload::kLive,
           .set = assign<&Coordination::ca_file>},
          {.key = "user",
           .type = Type::kText,
           .description = "A user of etcd who may read and write the keys below the prefix.",
           .default_note = "none",
           .example = "tlogdisk",
           .reload = Reload::kLive,
           .set = assign<&Coordination::user>},
          {.key = "passwordFile",
           .type = Type::kPath,
           .description = "A file of mode 0600 with that user's password on its first line.",
           .default_note = "no password",
           .example = "etcd.password",
           .reload = Reload::kLive,
           .set = assign<&Coordination::password_file>},
      }};
  return section;
}

}  // namespace tlog::config
