// PublicationStatus: a vdisk's log that this process publishes under a name (cas.publish), as the
// status tells it. Filled in by who publishes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace tlog::server {

struct PublicationStatus {
  std::string name;                          // "vdisk/vm1"
  std::string to;                            // another service; "": this process's own
  std::uint64_t contents = 0;                // that the name leads to
  std::optional<std::uint64_t> complete_ns;  // ago: it led to all of the log then; nothing: never
  std::string error;                         // why the last attempt failed, "" when it did not
};

}  // namespace tlog::server
