#include "tlog/config/properties.h"

#include <fmt/format.h>

#include "tlog/base/limits.h"
#include "tlog/config/names.h"

namespace tlog::config {
namespace {

template <class T>
struct MemberOf;
template <class Class, class Field>
struct MemberOf<Field Class::*> {
  using class_type = Class;
  using field_type = Field;
};

template <auto kMember>
void write_member(Target target, Value&& value) {
  using Member = MemberOf<decltype(kMember)>;
  using Field = typename Member::field_type;
  Field& field = std::get<typename Member::class_type*>(target)->*kMember;
  if constexpr (std::is_same_v<Field, std::string>) {
    field = std::move(value.text);
  } else if constexpr (std::is_same_v<Field, std::vector<std::string>>) {
    field = std::move(value.list);
  } else {
    field = static_cast<Field>(value.number);  // checked against the property's range
  }
}

template <auto kMember>
Value read_member(Target target) {
  using Member = MemberOf<decltype(kMember)>;
  using Field = typename Member::field_type;
  const Field& field = std::get<typename Member::class_type*>(target)->*kMember;
  Value value;
  if constexpr (std::is_same_v<Field, std::string>) {
    value.text = field;
  } else if constexpr (std::is_same_v<Field, std::vector<std::string>>) {
    value.list = field;
  } else {
    value.number = static_cast<std::uint64_t>(field);
  }
  return value;
}

template <auto kMember>
constexpr Access assign = {&write_member<kMember>, &read_member<kMember>};

// Of a struct inside the section's own, which has no section of its own in the file.
template <auto kOuter, auto kInner>
constexpr Access assign_within = {
    [](Target target, Value&& value) {
      write_member<kInner>(
          &(std::get<typename MemberOf<decltype(kOuter)>::class_type*>(target)->*kOuter),
          std::move(value));
    },
    [](Target target) {
      return read_member<kInner>(
          &(std::get<typename MemberOf<decltype(kOuter)>::class_type*>(target)->*kOuter));
    }};

template <auto kMember>
Target enter_member(Target target, std::string) {
  return &(std::get<typename MemberOf<decltype(kMember)>::class_type*>(target)->*kMember);
}

// The order of a kChoice's words is the order of its enumerators.
static_assert(static_cast<int>(Durability::kJournal) == 0 &&
              static_cast<int>(Durability::kCluster) == 1);
static_assert(static_cast<int>(OnLag::kThrottle) == 0 && static_cast<int>(OnLag::kAlarm) == 1 &&
              static_cast<int>(OnLag::kFail) == 2);
static_assert(static_cast<int>(io::IoMode::kAuto) == 0 &&
              static_cast<int>(io::IoMode::kUring) == 1 &&
              static_cast<int>(io::IoMode::kPosix) == 2);
static_assert(static_cast<int>(LogLevel::kDebug) == 0 && static_cast<int>(LogLevel::kInfo) == 1 &&
              static_cast<int>(LogLevel::kWarning) == 2 && static_cast<int>(LogLevel::kError) == 3);

constexpr std::uint64_t kTiB = 1024 * kGiB;
constexpr std::uint64_t kMillisecondNs = 1'000'000;
constexpr std::uint64_t kDayNs = 86'400'000 * kMillisecondNs;

const Section& journal_section() {
  static const Section section{
      "The journal: every write is in it before anything else happens, and stays until it is "
      "stored and applied.",
      {
          {.key = "directory",
           .type = Type::kPath,
           .description = "Where the journals are, one folder for each vdisk. A FLUSH is answered "
                          "when it is synced "
                          "here: put it on the fastest durable disk.",
           .default_text = "journal",
           .set = assign<&Journal::directory>},
          {.key = "size",
           .type = Type::kSize,
           .description = "Room for each vdisk's journal. When it is full because the stores are "
                          "too slow, writers "
                          "wait.",
           .default_text = "1GiB",
           .minimum = 8 * kMiB,
           .maximum = 16 * kTiB,
           .multiple_of = kBlockAlignment,
           .set = assign<&Journal::size>},
          {.key = "arenaDirectory",
           .type = Type::kPath,
           .description = "A file system in memory (tmpfs). Writes that were answered but not "
                          "flushed yet survive "
                          "the death of the process there.",
           .default_text = "/dev/shm",
           .set = assign<&Journal::arena_directory>},
          {.key = "arenaSize",
           .type = Type::kSize,
           .description = "Memory for each vdisk's newest writes; at most the journal's size.",
           .default_text = "64MiB",
           .default_note = "64MiB, or the journal's size if that is smaller",
           .minimum = 2 * kMiB,
           .maximum = 64 * kGiB,
           .multiple_of = kBlockAlignment,
           .set = assign<&Journal::arena_size>},
          {.key = "hintsSize",
           .type = Type::kSize,
           .description = "Room for each vdisk's shards that a store has missed, while that store "
                          "is away and they have no room in memory any more; 0 for none. What does "
                          "not fit is made anew from other stores' shards.",
           .default_text = "256MiB",
           .maximum = 16 * kTiB,
           .set = assign<&Journal::hints_size>},
          {.key = "io",
           .type = Type::kChoice,
           .description = "How files are written: io_uring, plain system calls, or the first of "
                          "them that works.",
           .default_text = "auto",
           .choices = {"auto", "uring", "posix"},
           .set = assign<&Journal::io>},
      }};
  return section;
}

const Section& server_section() {
  static const Section section{
      "A redis-protocol server.",
      {
          {.key = "address",
           .type = Type::kAddress,
           .description = "\"host:port\", \"[ipv6]:port\" or \"unix:/path\".",
           .example = "\"127.0.0.1:16379\"",
           .required = true,
           .reload = Reload::kLive,
           .set = assign<&Server::address>},
          {.key = "db",
           .type = Type::kText,
           .description = "The database to select: a number, or any word for ardb.",
           .default_note = "the server's first",
           .example = "0",
           .reload = Reload::kLive,
           .set = assign<&Server::db>},
          {.key = "passwordFile",
           .type = Type::kPath,
           .description = "A file of mode 0600 with the server's password on its first line. The "
                          "password itself "
                          "never stands in the configuration.",
           .default_note = "no password",
           .example = "redis.password",
           .reload = Reload::kLive,
           .set = assign<&Server::password_file>},
      }};
  return section;
}

const Section& cluster_section() {
  static const Section section{
      "A set of stores that keep the shards of a log, each one a failure domain. Either "
      "directories or servers.",
      {
          {.key = "directories",
           .type = Type::kPaths,
           .description =
               "Embedded stores: directories, best on different disks. No server is needed.",
           .default_note = "none; a cluster has either directories or servers",
           .example = "[log/0, log/1, log/2, log/3, log/4, log/5]",
           .set = assign<&Cluster::directories>},
          {.key = "servers",
           .type = Type::kSections,
           .description = "Servers that speak the redis protocol (ardb, redis, valkey, kvrocks).",
           .default_note = "none; a cluster has either directories or servers",
           .example_only = true,
           .section = &server_section(),
           .enter = [](Target target, std::string) -> Target {
             return &std::get<Cluster*>(target)->servers.emplace_back();
           }},
          {.key = "requestTimeout",
           .type = Type::kDuration,
           .description = "How long a server may take to connect, and to answer, before its "
                          "connection is given up and it is tried anew.",
           .default_text = "2s",
           .minimum = 10 * kMillisecondNs,
           .maximum = 600'000 * kMillisecondNs,
           .reload = Reload::kLive,
           .set = assign<&Cluster::request_timeout_ns>},
      },
      {"directories", "servers"}};
  return section;
}

const Section& tlog_section() {
  static const Section section{
      "How the log is gathered, coded and stored: the defaults of all vdisks.",
      {
          {.key = "cluster",
           .type = Type::kName,
           .description = "The cluster that keeps the log.",
           .default_note = "the only cluster, if there is exactly one",
           .example = "local",
           .set = assign<&Tlog::cluster>},
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

const Section& slave_storage_section() {
  static const Section section{
      "A second cluster of servers, which follows the log when tlog.slaveSync says so, and from "
      "which the vdisk is served when its first one fails. Only with storage.cluster.",
      {
          {.key = "cluster",
           .type = Type::kName,
           .description = "Another cluster than the one of storage. After a failover the two names "
                          "may be exchanged; which of them is in use is known to the log.",
           .default_note = "none: there is no standby",
           .example = "standby",
           .reload = Reload::kLive,
           .set = assign<&SlaveStorage::cluster>},
          {.key = "failoverAfter",
           .type = Type::kDuration,
           .description = "For how long the first cluster must have failed before the vdisk goes "
                          "over by itself. 0s: never by itself, only by `tlogctl failover`.",
           .default_text = "5s",
           .maximum = 3'600'000 * kMillisecondNs,
           .reload = Reload::kLive,
           .set = assign<&SlaveStorage::failover_after_ns>},
          {.key = "maxLag",
           .type = Type::kDuration,
           .description = "How old the oldest write may become that is acknowledged and not on "
                          "this cluster, while it follows. 0s: no limit.",
           .default_text = "0s",
           .maximum = kDayNs,
           .reload = Reload::kLive,
           .set = assign_within<&SlaveStorage::lag, &LagLimit::max_ns>},
          {.key = "onLag",
           .type = Type::kChoice,
           .description = "What keeps it, as tlog.onLag does.",
           .default_text = "throttle",
           .choices = {"throttle", "alarm", "fail"},
           .reload = Reload::kLive,
           .set = assign_within<&SlaveStorage::lag, &LagLimit::on_lag>},
      }};
  return section;
}

const Section& storage_section() {
  static const Section section{
      "Where the vdisk's current contents are: in a file, or spread over a cluster's servers.",
      {
          {.key = "file",
           .type = Type::kPath,
           .description = "A sparse file, created with the vdisk.",
           .default_note = "none; a vdisk has either a file or a cluster",
           .example = "blocks/vm1",
           .set = assign<&Vdisk::storage_file>},
          {.key = "cluster",
           .type = Type::kName,
           .description = "A cluster of servers; block number i is on server i modulo their "
                          "number. The servers and their order are fixed when the vdisk is "
                          "created.",
           .default_note = "none; a vdisk has either a file or a cluster",
           .example = "ardb",
           .example_only = true,
           .alternative = true,
           .set = assign<&Vdisk::storage_cluster>},
          {.key = "cache",
           .type = Type::kSize,
           .description = "Memory for blocks that were read from the cluster's servers; 0 for "
                          "none. A file has the system's.",
           .default_text = "32MiB",
           .maximum = kTiB,
           .set = assign<&Vdisk::storage_cache>},
      },
      {"file", "cluster"}};
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

const Section& vdisk_section() {
  static const Section section{
      "A virtual disk, served as the NBD export of its name.",
      {
          {.key = "size",
           .type = Type::kSize,
           .description = "The size of the disk. Fixed when the vdisk is created.",
           .example = "10GiB",
           .required = true,
           .minimum = 512,
           .maximum = kVdiskSizeMax,
           .multiple_of = 512,
           .reload = Reload::kNever,
           .set = assign<&Vdisk::size>},
          {.key = "blockSize",
           .type = Type::kSize,
           .description =
               "The block size that clients are told to prefer. Any alignment is served.",
           .default_text = "4096",
           .minimum = 512,
           .maximum = 65536,
           .power_of_two = true,
           .reload = Reload::kNever,
           .set = assign<&Vdisk::block_size>},
          {.key = "readOnly",
           .type = Type::kBoolean,
           .description = "Refuses all writes.",
           .default_text = "false",
           .set = assign<&Vdisk::read_only>},
          {.key = "description",
           .type = Type::kText,
           .description = "Shown to clients that list the exports.",
           .default_note = "none",
           .example = "\"the first virtual machine\"",
           .reload = Reload::kLive,
           .set = assign<&Vdisk::description>},
          {.key = "storage",
           .type = Type::kSection,
           .description = storage_section().description,
           .sample = "storage: {file: blocks/vm1}",
           .required = true,
           .section = &storage_section(),
           .enter = [](Target target, std::string) { return target; }},
          {.key = "slaveStorage",
           .type = Type::kSection,
           .description = slave_storage_section().description,
           .example_only = true,
           .alternative = true,
           .section = &slave_storage_section(),
           .enter = enter_member<&Vdisk::slave>},
          {.key = "tlog",
           .type = Type::kSection,
           .description = "This vdisk's own settings on top of the file's tlog section.",
           .inherits = true,
           .example_only = true,
           .section = &tlog_section(),
           .enter = enter_member<&Vdisk::tlog>},
          {.key = "coordination",
           .type = Type::kSection,
           .description = "This vdisk's own settings on top of the file's coordination section.",
           .inherits = true,
           .example_only = true,
           .section = &coordination_section(),
           .enter = enter_member<&Vdisk::coordination>},
      }};
  return section;
}

Target add_cluster(Target target, std::string name) {
  Cluster& cluster = std::get<Config*>(target)->clusters.emplace_back();
  cluster.name = std::move(name);
  return &cluster;
}

// The sections with the vdisks' defaults come before them in the table, whatever their order in the
// file.
Target add_vdisk(Target target, std::string name) {
  Config* config = std::get<Config*>(target);
  Vdisk& vdisk = config->vdisks.emplace_back();
  vdisk.name = std::move(name);
  vdisk.tlog = config->tlog;
  vdisk.coordination = config->coordination;
  return &vdisk;
}

}  // namespace

const Section& root_section() {
  static const Section section{
      "The configuration of tlogdisk. Relative paths are relative to this file.",
      {
          {.key = "keyFile",
           .type = Type::kPath,
           .description = "The master key, made by `tlogctl keygen`, mode 0600. Keep a copy "
                          "elsewhere: without it "
                          "the log cannot be read.",
           .default_text = "tlogdisk.key",
           .set = assign<&Config::key_file>},
          {.key = "journal",
           .type = Type::kSection,
           .description = journal_section().description,
           .section = &journal_section(),
           .enter = enter_member<&Config::journal>},
          {.key = "clusters",
           .type = Type::kNamed,
           .description = cluster_section().description,
           .example = "local",
           .sample = "clusters: {local: {directories: [log/0, log/1, log/2, log/3, log/4, log/5]}}",
           .required = true,
           .maximum = kClustersMax,
           .section = &cluster_section(),
           .enter = add_cluster},
          {.key = "tlog",
           .type = Type::kSection,
           .description = tlog_section().description,
           .section = &tlog_section(),
           .enter = enter_member<&Config::tlog>},
          {.key = "coordination",
           .type = Type::kSection,
           .description = coordination_section().description,
           .example_only = true,
           .section = &coordination_section(),
           .enter = enter_member<&Config::coordination>},
          {.key = "vdisks",
           .type = Type::kNamed,
           .description = vdisk_section().description,
           .example = "vm1",
           .sample = "vdisks: {vm1: {size: 10GiB, storage: {file: blocks/vm1}}}",
           .required = true,
           .maximum = kVdisksMax,
           .section = &vdisk_section(),
           .enter = add_vdisk},
          {.key = "controlSocket",
           .type = Type::kPath,
           .description = "Where tlogctl finds the server, at most 107 bytes long. A process that "
                          "serves only the "
                          "vdisk NAME adds -NAME before the extension.",
           .default_text = "control.sock",
           .set = assign<&Config::control_socket>},
          {.key = "memoryBudget",
           .type = Type::kSize,
           .description =
               "The memory of the process for what is on its way; writers wait when it is used up.",
           .default_text = "256MiB",
           .minimum = 32 * kMiB,
           .maximum = 16 * kTiB,
           .set = assign<&Config::memory_budget>},
          {.key = "logLevel",
           .type = Type::kChoice,
           .description = "What is always written to the log, and what is more important. The "
                          "rest is shown by nbdkit's -v.",
           .default_text = "warning",
           .choices = {"debug", "info", "warning", "error"},
           .reload = Reload::kLive,
           .set = assign<&Config::log_level>},
      }};
  return section;
}

const Property* Section::find(std::string_view key) const {
  for (const Property& property : properties) {
    if (property.key == key) return &property;
  }
  return nullptr;
}

std::string expected_of(const Property& property) {
  switch (property.type) {
    case Type::kText:
      return "text on one line";
    case Type::kPath:
      return "a path";
    case Type::kAddress:
      return "\"host:port\", \"[ipv6]:port\" or \"unix:/path\"";
    case Type::kName:
      return "the name of a cluster";
    case Type::kSize: {
      std::string text = fmt::format("a size from {} to {}", format_size(property.minimum),
                                     format_size(property.maximum));
      if (property.power_of_two) return text + ", a power of two";
      if (property.multiple_of == 1) return text;
      return fmt::format("{}, a multiple of {} bytes", text, property.multiple_of);
    }
    case Type::kDuration:
      return fmt::format("a duration from {} to {}", format_duration_ns(property.minimum),
                         format_duration_ns(property.maximum));
    case Type::kInteger:
      return fmt::format("an integer from {} to {}", property.minimum, property.maximum);
    case Type::kBoolean:
      return "true or false";
    case Type::kChoice:
      return fmt::format("one of {}", alternatives(property.choices));
    case Type::kPaths:
      return "a list of paths";
    case Type::kUrls:
      return "a list of \"http://host:port\" and \"https://host:port\"";
    case Type::kSection:
      return "a mapping of keys to values";
    case Type::kNamed:
      return "a mapping of names to sections";
    case Type::kSections:
      return "a list of mappings";
  }
  return "a value";
}

std::string text_of(const Property& property, const Value& value) {
  switch (property.type) {
    case Type::kSize:
      return format_size(value.number);
    case Type::kDuration:
      return format_duration_ns(value.number);
    case Type::kInteger:
      return std::to_string(value.number);
    case Type::kBoolean:
      return value.number != 0 ? "true" : "false";
    case Type::kChoice:
      return std::string(property.choices[value.number]);
    case Type::kPaths:
    case Type::kUrls:
      return fmt::format("[{}]", fmt::join(value.list, ", "));
    default:
      return value.text.empty() ? "none" : value.text;
  }
}

}  // namespace tlog::config
