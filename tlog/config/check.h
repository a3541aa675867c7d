// File: tlog/config/check.h
// What no single value can show: whether the parts of a configuration fit together.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "tlog/config/config.h"
#include "tlog/config/problems.h"

namespace tlog::config {

// Also gives tlog.cluster its default, the only cluster, in the defaults and in every vdisk.
void check_meaning(Config& config, Problems& problems);
// Parts of it: the coordination sections; the clusters that keep blocks, and that follow; how old
// what is not stored may become.
void check_coordinations(const Config& config, Problems& problems);
void check_block_clusters(const Config& config, Problems& problems);
void check_lags(const Config& config, Problems& problems);

// Which vdisks' logs are kept by servers instead of a cluster: before clusters get their default.
void take_log_servers(Config& config, Problems& problems);
void check_log_servers(const Config& config, Problems& problems);
// Repositories, and that there is something to serve at all.
void check_repos(const Config& config, Problems& problems);
// What is kept and published as contents and names.
void check_cas(Config& config, Problems& problems);
// Of those whose log is striped.
void check_stripes(const Config& config, Problems& problems);

// The logs without a block device, and that there is anything to be served.
void check_logs(Config& config, Problems& problems);

std::vector<std::string_view> cluster_names(const Config& config);
// "no such cluster: 'lcoal'; did you mean 'local'?, expected ..."
std::string no_such_cluster(const Config& config, std::string_view name);
// The first trail that stands in the file: where a problem of several keys is best shown.
std::string first_known(const Problems& problems, std::initializer_list<std::string> trails);

}  // namespace tlog::config
