// RepositoryStatus: a set of logs that this process offers to other sites (--logset), and how far
// their copies are behind, as the status tells it. Filled in by who offers them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tlog::server {

struct RepositoryStatus {
  struct Puller {
    std::string peer;    // the host
    std::string target;  // "": it did not say
    std::uint64_t behind_bytes = 0;
    std::optional<std::uint64_t> behind_ns;  // nothing: it never had everything
    std::uint64_t pulled_ns = 0;             // ago
  };
  std::string name;
  std::string kind;   // "vdisk", "copy" or "logs"
  std::string vdisk;  // that is published
  std::uint64_t logs = 0;
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> looked_ns;  // ago; nothing: not looked yet
  std::string error;                       // why it cannot be offered or looked at, "" when it can
  std::uint64_t pushed_bytes = 0;          // since the start
  std::optional<std::uint64_t> pushed_ns;  // ago
  std::vector<Puller> pullers;
};

}  // namespace tlog::server
