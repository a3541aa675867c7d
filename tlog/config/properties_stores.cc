#include "tlog/config/property_access.h"

// Where everything is kept: the journal and the clusters of the log.
namespace tlog::config {

// The order of a kChoice's words is the order of its enumerators.
static_assert(static_cast<int>(io::IoMode::kAuto) == 0 &&
              static_cast<int>(io::IoMode::kUring) == 1 &&
              static_cast<int>(io::IoMode::kPosix) == 2);

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

}  // namespace tlog::config
