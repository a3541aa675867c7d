#include "tlog/config/difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tlog/base/assert.h"
#include "tlog/config/problems.h"
#include "tlog/config/properties.h"

namespace tlog::config {
namespace {

// Walks both configurations along the property table. Works on copies of its own, because the table
// enters sections by pointers that may write.
class Comparison {
 public:
  Comparison(const Config& running, const Config& wanted, const Served& served)
      : running_(running), wanted_(wanted), served_(served) {}

  Difference run() {
    section(root_section(), &running_, &wanted_, "");
    vdisks();
    clusters();
    return std::move(difference_);
  }

 private:
  void section(const Section& section, Target before, Target after, const std::string& trail);
  void value(const Property& property, Target before, Target after, const std::string& trail);
  void vdisks();
  void exchange(Vdisk& before, const Vdisk& after, const std::string& trail);
  void clusters();
  void cluster(Cluster& before, Cluster& after);
  void refuse(std::string trail, std::string reason) {
    difference_.refusals.push_back({std::move(trail), std::move(reason)});
  }

  Config running_;
  Config wanted_;
  const Served& served_;
  Difference difference_;
};

const Section& section_of(std::string_view key) {
  const Property* property = root_section().find(key);
  TLOG_ASSERT(property != nullptr && property->section != nullptr);
  return *property->section;
}

void Comparison::section(const Section& section, Target before, Target after,
                         const std::string& trail) {
  for (const Property& property : section.properties) {
    const std::string own = trail_of(trail, property.key);
    // These sections of the file are nothing but the vdisks' defaults: what they come to counts.
    const bool is_defaults =
        trail.empty() && (property.key == "tlog" || property.key == "coordination");
    if (property.type == Type::kSection) {
      // Only a tlogserver reads it, which does not reload.
      const bool is_of_servers = trail.empty() && property.key == "cas";
      if (!is_defaults && !is_of_servers) {
        this->section(*property.section, property.enter(before, {}), property.enter(after, {}),
                      own);
      }
    } else if (property.set.read != nullptr) {
      value(property, before, after, own);
    }
  }
}

void Comparison::value(const Property& property, Target before, Target after,
                       const std::string& trail) {
  const Value old_value = property.set.read(before);
  const Value new_value = property.set.read(after);
  if (old_value == new_value) return;
  const std::string old_text = text_of(property, old_value);
  const std::string new_text = text_of(property, new_value);
  switch (property.reload) {
    case Reload::kLive:
      difference_.changes.push_back({key_of(trail), fmt::format("{} -> {}", old_text, new_text)});
      return;
    case Reload::kRestart:
      return refuse(trail, fmt::format("is {} while vdisks are served, the file says {}, expected "
                                       "what it was; restart the server to change it",
                                       old_text, new_text));
    case Reload::kNever:
      return refuse(trail, fmt::format("the vdisk was created with {}, the file says {}, expected "
                                       "what it was; it can never be changed",
                                       old_text, new_text));
  }
}

void Comparison::vdisks() {
  for (Vdisk& before : running_.vdisks) {
    const auto& names = served_.vdisks;
    if (std::find(names.begin(), names.end(), before.name) == names.end()) continue;
    auto after = std::find_if(wanted_.vdisks.begin(), wanted_.vdisks.end(),
                              [&](const Vdisk& v) { return v.name == before.name; });
    const std::string trail = trail_of("vdisks", before.name);
    if (after == wanted_.vdisks.end()) {
      refuse(trail,
             "is served and no longer in the file, expected it to stay; restart the server "
             "without it");
    } else if (before.coordination.etcd.empty() != after->coordination.etcd.empty()) {
      refuse(trail_of(trail, "coordination/etcd"),
             "coordination begins and ends with the server, expected it as it was; restart the "
             "server to change it");
    } else {
      exchange(before, *after, trail);
      section(section_of("vdisks"), &before, &*after, trail);
    }
  }
  if (!served_.all) return;
  for (const Vdisk& after : wanted_.vdisks) {
    if (running_.find_vdisk(after.name) != nullptr) continue;
    refuse(trail_of("vdisks", after.name),
           "is new, expected only the vdisks that are served; restart the server to add it, or "
           "serve it in a process of its own with vdisk=" +
               after.name);
  }
}

// The blocks stay where they are: which of the two clusters has them is in the log, and the session
// refuses names that do not fit it.
void Comparison::exchange(Vdisk& before, const Vdisk& after, const std::string& trail) {
  if (before.storage_cluster.empty() || before.slave.cluster.empty() ||
      before.storage_cluster != after.slave.cluster ||
      before.slave.cluster != after.storage_cluster) {
    return;
  }
  difference_.changes.push_back(
      {key_of(trail) + ".storage.cluster",
       fmt::format("{} -> {}", before.storage_cluster, after.storage_cluster)});
  before.storage_cluster = after.storage_cluster;
}

std::set<std::string> clusters_of(const Config& config, const Served& served) {
  std::set<std::string> used;
  for (const std::string& name : served.vdisks) {
    const Vdisk* vdisk = config.find_vdisk(name);
    if (vdisk == nullptr) continue;
    used.insert(vdisk->tlog.cluster);
    used.insert(vdisk->storage_cluster);
    used.insert(vdisk->slave.cluster);
  }
  used.erase("");
  return used;
}

// One that is not used any more may change, and go.
void Comparison::clusters() {
  std::set<std::string> used = clusters_of(running_, served_);
  const std::set<std::string> still = clusters_of(wanted_, served_);
  std::erase_if(used, [&](const std::string& name) { return !still.contains(name); });
  for (Cluster& before : running_.clusters) {
    if (!used.contains(before.name)) continue;
    auto after = std::find_if(wanted_.clusters.begin(), wanted_.clusters.end(),
                              [&](const Cluster& c) { return c.name == before.name; });
    if (after == wanted_.clusters.end()) {
      refuse(trail_of("clusters", before.name),
             "keeps what is served and is no longer in the file, expected it to stay");
    } else {
      cluster(before, *after);
    }
  }
}

void Comparison::cluster(Cluster& before, Cluster& after) {
  const std::string trail = trail_of("clusters", before.name);
  if (before.directories.empty() != after.directories.empty()) {
    return refuse(trail, fmt::format("has {} while vdisks are served, expected no others; restart "
                                     "the server to change it",
                                     before.directories.empty() ? "servers" : "directories"));
  }
  section(section_of("clusters"), &before, &after, trail);
  if (before.servers.size() != after.servers.size()) {
    return refuse(
        trail_of(trail, "servers"),
        fmt::format("has {} servers while vdisks are served, the file has {}, expected as "
                    "many as there were; a lost server's place is for the one that "
                    "replaces it",
                    before.servers.size(), after.servers.size()));
  }
  const Section& server = *section_of("clusters").find("servers")->section;
  for (std::size_t i = 0; i < before.servers.size(); ++i) {
    section(server, &before.servers[i], &after.servers[i],
            trail_of(trail_of(trail, "servers"), std::to_string(i)));
  }
}

}  // namespace

Difference compare(const Config& running, const Config& wanted, const Served& served) {
  return Comparison(running, wanted, served).run();
}

Problem problem_of(const Refusal& refusal, const Positions& positions) {
  std::string at = refusal.trail;
  for (std::string_view defaults : {"/tlog/", "/coordination/"}) {
    const std::size_t own = at.find(defaults);
    if (positions.contains(at) || !at.starts_with("vdisks/") || own == std::string::npos) continue;
    const std::string common = at.substr(own + 1);
    if (positions.contains(common)) at = common;
  }
  const Position position = position_in(positions, at);
  return {position.line, position.column, key_of(refusal.trail), refusal.reason};
}

}  // namespace tlog::config
