#include "tlog/config/property_access.h"

// What a tlogserver offers through logset.
namespace tlog::config {

const Section& repo_section() {
  static const Section section{
      "Sets of logs that a tlogserver offers with --logset, for other sites to synchronise with. A "
      "directory alone stands for a mapping with that directory.",
      {
          {.key = "directory",
           .type = Type::kPath,
           .description = "Any append-only logs, as files: others may push and pull them.",
           .default_note = "none; a repository has either directory, copy or vdisk",
           .example = "/srv/archive",
           .set = assign<&Repo::directory>},
          {.key = "copy",
           .type = Type::kPath,
           .description = "Copies of vdisks' logs from another site: what is pushed is verified "
                          "first, without the key.",
           .default_note = "none; a repository has either directory, copy or vdisk",
           .example = "/srv/vm1-copy",
           .alternative = true,
           .set = assign<&Repo::copy>},
          {.key = "vdisk",
           .type = Type::kText,
           .description = "Publishes the log of this vdisk of the file, to be read only.",
           .default_note = "none; a repository has either directory, copy or vdisk",
           .example = "vm1",
           .alternative = true,
           .set = assign<&Repo::vdisk>},
      },
      {"directory", "copy", "vdisk"},
      {},
      "directory"};
  return section;
}

}  // namespace tlog::config
