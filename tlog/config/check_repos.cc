#include <fmt/format.h>

#include <algorithm>

#include "tlog/config/check.h"
#include "tlog/config/names.h"
#include "tlog/config/properties.h"

// What is offered through logset: vdisks that there are, directories that nobody else has.
namespace tlog::config {
namespace {

bool is_nested(std::string_view a, std::string_view b) {
  if (a.size() > b.size()) std::swap(a, b);
  return b.starts_with(a) && (b.size() == a.size() || a == "/" || b[a.size()] == '/');
}

std::string_view directory_of(const Repo& repo) {
  return repo.directory.empty() ? repo.copy : repo.directory;
}

void check_repo_directory(const Config& config, const Repo& repo, Problems& problems) {
  const std::string_view own = directory_of(repo);
  const std::string trail = trail_of("repos", repo.name);
  if (own.empty()) return;
  const auto refuse = [&](const std::string& other) {
    problems.add(trail,
                 fmt::format("{} is in or around that of {}, expected a directory of its own",
                             in_quotes(own), other));
  };
  for (const Repo& other : config.repos) {
    if (&other == &repo) break;
    const std::string_view taken = directory_of(other);
    if (!taken.empty() && is_nested(own, taken)) return refuse("repos." + other.name);
  }
  for (const Cluster& cluster : config.clusters) {
    for (const std::string& taken : cluster.directories) {
      if (!taken.empty() && is_nested(own, taken)) return refuse("clusters." + cluster.name);
    }
  }
  if (!config.journal.directory.empty() && is_nested(own, config.journal.directory)) {
    refuse("journal");
  }
}

}  // namespace

void check_repos(const Config& config, Problems& problems) {
  if (config.vdisks.empty() && config.repos.empty() && config.logs.empty() &&
      config.cas.directory.empty() && !problems.knows("vdisks") && !problems.knows("repos") &&
      !problems.knows("logs") && !problems.knows("cas")) {
    problems.add("vdisks",
                 fmt::format("missing, expected {}", with_sample(*root_section().find("vdisks"))));
  }
  for (const Repo& repo : config.repos) {
    check_repo_directory(config, repo, problems);
    if (repo.vdisk.empty() || config.find_vdisk(repo.vdisk) != nullptr) continue;
    std::vector<std::string_view> names;
    for (const Vdisk& vdisk : config.vdisks) names.push_back(vdisk.name);
    const std::string_view near = nearest(repo.vdisk, names);
    problems.add(trail_of(trail_of("repos", repo.name), "vdisk"),
                 fmt::format("no such vdisk: {}{}, expected {}", in_quotes(repo.vdisk),
                             near.empty() ? "" : fmt::format("; did you mean '{}'?", near),
                             alternatives(names)));
  }
}

}  // namespace tlog::config
