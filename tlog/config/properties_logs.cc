#include "tlog/config/property_access.h"

// Logs without a block device, which tlogservers serve as messages over HTTP.
namespace tlog::config {

static_assert(static_cast<int>(LogCreate::kAll) == 0 && static_cast<int>(LogCreate::kQuorum) == 1);

const Section& log_section() {
  static const Section section{
      "A log of messages without a block device, which a tlogserver serves over HTTP (--http). Its "
      "master is the server whose configuration has no `master` for it.",
      {
          {.key = "cluster",
           .type = Type::kName,
           .description = "The cluster that keeps it.",
           .default_note = "tlog.cluster, or the stores of --storage-addresses or --memorystorage",
           .example = "local",
           .set = assign<&Log::cluster>},
          {.key = "secondaries",
           .type = Type::kAddresses,
           .description = "The tlogservers that the master sends it to; each has stores of its "
                          "own. `tlog.tls` says how they are talked to.",
           .default_note = "none: there is one node",
           .example = "[\"127.0.0.1:17412\", \"127.0.0.1:17413\"]",
           .example_only = true,
           .set = assign<&Log::secondaries>},
          {.key = "master",
           .type = Type::kText,
           .description = "On a secondary: where the master takes messages. Who posts here is told "
                          "so.",
           .default_note = "this server is the master",
           .example = "http://127.0.0.1:5000",
           .example_only = true,
           .alternative = true,
           .set = assign<&Log::master>},
          {.key = "quorum",
           .type = Type::kInteger,
           .description = "How many nodes, the master among them, must be there for messages to be "
                          "taken.",
           .default_text = "0",
           .default_note = "0: more than half of them",
           .maximum = kClusterStoresMax + 1,
           .set = assign<&Log::quorum>},
          {.key = "create",
           .type = Type::kChoice,
           .description =
               "When the master, whose stores have no such log, believes that there is none and "
               "begins one: when `all` secondaries have been asked, or a `quorum` of nodes is "
               "there. With quorum a message that few nodes had is lost when the others come back "
               "too late.",
           .default_text = "all",
           .choices = {"all", "quorum"},
           .set = assign<&Log::create>},
      }};
  return section;
}

}  // namespace tlog::config
