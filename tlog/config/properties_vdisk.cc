#include "tlog/config/property_access.h"

// A vdisk, its contents and their standby.
namespace tlog::config {

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

}  // namespace tlog::config
