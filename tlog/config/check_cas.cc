#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "tlog/config/check.h"
#include "tlog/config/names.h"
#include "tlog/config/properties.h"

// What is kept for others and published: a directory that nobody else has, vdisks that there are.
namespace tlog::config {
namespace {

constexpr unsigned kEmbeddedMax = 1'000'000;

bool is_in_or_around(std::string_view a, std::string_view b) {
  if (a.size() > b.size()) std::swap(a, b);
  return b.starts_with(a) && (b.size() == a.size() || a == "/" || b[a.size()] == '/');
}

// Whose directory is in or around that of `cas`.
std::optional<std::string> taken_by(const Config& config) {
  const auto is_taken = [&](const std::string& path) {
    return !path.empty() && is_in_or_around(config.cas.directory, path);
  };
  if (is_taken(config.journal.directory)) return "journal";
  for (const Cluster& cluster : config.clusters) {
    if (std::any_of(cluster.directories.begin(), cluster.directories.end(), is_taken)) {
      return "clusters." + cluster.name;
    }
  }
  for (const Repo& repo : config.repos) {
    if (is_taken(repo.directory) || is_taken(repo.copy)) return "repos." + repo.name;
  }
  return std::nullopt;
}

bool take_embed(CasPublish& publish) {
  constexpr std::string_view kLast = "last ";
  const std::string_view text = publish.embed_text;
  if (text == "all") publish.embed = CasEmbed::kAll;
  if (text == "none") publish.embed = CasEmbed::kNone;
  if (text == "all" || text == "none") return true;
  if (!text.starts_with(kLast)) return false;
  publish.embed = CasEmbed::kLast;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data() + kLast.size(), end, publish.embed_last);
  return read.ec == std::errc() && read.ptr == end && publish.embed_last >= 1 &&
         publish.embed_last <= kEmbeddedMax;
}

void check_place(const Config& config, const CasPublish& publish, const std::string& trail,
                 Problems& problems) {
  const std::string to = trail_of(trail, "to");
  if (publish.to.empty() && config.cas.directory.empty() && !problems.failed(to) &&
      !problems.failed("cas/directory")) {
    problems.add(trail, "has no place to go, expected `to` here, or `directory` in cas");
  }
  const std::pair<const char*, bool> of_others[] = {{"tokenFile", !publish.token_file.empty()},
                                                    {"tls", publish.tls},
                                                    {"caFile", !publish.ca_file.empty()},
                                                    {"serverName", !publish.server_name.empty()}};
  for (const auto& [key, is_there] : of_others) {
    if (!is_there || !publish.to.empty() || problems.failed(to)) continue;
    problems.add(trail_of(trail, key),
                 "is for another service, expected `to` as well, or no such key");
  }
  if (!publish.server_name.empty() && publish.ca_file.empty() && !publish.tls) {
    problems.add(trail_of(trail, "serverName"),
                 "is of use with TLS only, expected `caFile` or `tls: true` as well");
  }
}

}  // namespace

void check_cas(Config& config, Problems& problems) {
  if (problems.knows("cas/directory") && !config.cas.directory.empty()) {
    if (const auto other = taken_by(config)) {
      problems.add("cas/directory",
                   fmt::format("{} is in or around that of {}, expected a directory of its own",
                               in_quotes(config.cas.directory), *other));
    }
  }
  if (problems.knows("cas") && !problems.knows("cas/directory") && config.cas.publish.empty()) {
    problems.add("cas", "has neither directory nor publish, expected one of them");
  }
  std::vector<std::string_view> names;
  for (const Vdisk& vdisk : config.vdisks) names.push_back(vdisk.name);
  for (CasPublish& publish : config.cas.publish) {
    const std::string trail = trail_of("cas/publish", publish.vdisk);
    if (config.find_vdisk(publish.vdisk) == nullptr) {
      const std::string_view near = nearest(publish.vdisk, names);
      problems.add(trail, fmt::format("no such vdisk: {}{}, expected {}", in_quotes(publish.vdisk),
                                      near.empty() ? "" : fmt::format("; did you mean '{}'?", near),
                                      names.empty() ? "one of vdisks, which has none"
                                                    : alternatives(names)));
    }
    if (!take_embed(publish) && !problems.failed(trail_of(trail, "embed"))) {
      problems.add(trail_of(trail, "embed"),
                   fmt::format("{} is not understood, expected all, none or last N, N from 1 to {}",
                               in_quotes(publish.embed_text), kEmbeddedMax));
    }
    check_place(config, publish, trail, problems);
  }
}

}  // namespace tlog::config
