#include "tlog/config/properties.h"

#include "tlog/config/property_access.h"

namespace tlog::config {
namespace {

// The order of a kChoice's words is the order of its enumerators.
static_assert(static_cast<int>(LogLevel::kDebug) == 0 && static_cast<int>(LogLevel::kInfo) == 1 &&
              static_cast<int>(LogLevel::kWarning) == 2 && static_cast<int>(LogLevel::kError) == 3);

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

Target add_repo(Target target, std::string name) {
  Repo& repo = std::get<Config*>(target)->repos.emplace_back();
  repo.name = std::move(name);
  return &repo;
}

Target add_log(Target target, std::string name) {
  Log& log = std::get<Config*>(target)->logs.emplace_back();
  log.name = std::move(name);
  return &log;
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
           .default_note = "none, which will do where there are repos, logs or a cas",
           .example = "vm1",
           .sample = "vdisks: {vm1: {size: 10GiB, storage: {file: blocks/vm1}}}",
           .maximum = kVdisksMax,
           .section = &vdisk_section(),
           .enter = add_vdisk},
          {.key = "repos",
           .type = Type::kNamed,
           .description = repo_section().description,
           .example = "archive",
           .sample = "repos: {archive: /srv/archive}",
           .example_only = true,
           .maximum = kReposMax,
           .section = &repo_section(),
           .enter = add_repo},
          {.key = "logs",
           .type = Type::kNamed,
           .description = log_section().description,
           .example = "audit",
           .sample = "logs: {audit: {secondaries: [\"127.0.0.1:17412\"]}}",
           .example_only = true,
           .maximum = kVdisksMax,
           .section = &log_section(),
           .enter = add_log},
          {.key = "cas",
           .type = Type::kSection,
           .description = cas_section().description,
           .example_only = true,
           .section = &cas_section(),
           .enter = enter_member<&Config::cas>},
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
      },
      {},
      {"vdisks", "repos", "logs", "cas"}};
  return section;
}

const Property* Section::find(std::string_view key) const {
  for (const Property& property : properties) {
    if (property.key == key) return &property;
  }
  return nullptr;
}

}  // namespace tlog::config
