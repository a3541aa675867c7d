// File: ctl/replacement.h
// A server of a cluster and the one that is to be in its place: what that is in the configuration's
// text, and whether it is safe, from what running servers say of the stores and what the new server
// says of itself. docs/adr/0013 says why so.
// Threading: pure functions and values.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/control_protocol.h"
#include "tlog/config/config.h"

namespace tlog::ctl {

// As the configuration before and after says it.
struct Replacement {
  std::string cluster;
  std::size_t place = 0;  // of the server in it
  bool is_done = false;   // the text has the new one already: to be followed only
  config::Server from;
  config::Server to;
  config::Config before;
  config::Config after;
  std::string text;  // the new one
  const config::Cluster& old_cluster() const { return *before.find_cluster(cluster); }
  std::string key() const;  // "clusters.c.servers.2.address"
};
struct ReplacementWish {
  std::string cluster;
  std::string from;  // an address, with "@DB" when it is not the only one of that address
  std::string to;    // an address
};
// `text` is that of the file at `path`. Errors name what cannot be, and the remedy; kNotFound: no
// such cluster or server.
Result<Replacement> find_replacement(const std::string& text, const std::string& path,
                                     const ReplacementWish& wish);

// What the new server says of itself.
struct NewServer {
  std::optional<Error> error;                    // it cannot be asked, or not be used
  std::string server;                            // its uuid, "" for none
  std::optional<std::uint64_t> keys;             // of its database; nothing: it does not count them
  std::map<std::string, std::string> block_ids;  // by vdisk: whose blocks it says it has
  std::string warning;
};

// What the replacement is for one vdisk.
struct Share {
  std::string vdisk;
  bool keeps_blocks = false;           // or shards of its log
  std::string state;                   // of the vdisk; "not served"
  std::uint64_t shards = 0;            // of the log that belong on the server
  std::optional<std::uint64_t> bytes;  // about so much; of blocks: at most
};

struct Verdict {
  std::vector<Share> shares;
  bool is_known = false;  // the new server is the one of this place already, at another address
  std::vector<std::string> refusals;  // with reason and remedy each; none: it is safe
  std::vector<std::string> warnings;
};
// What may pass that is not known to be safe.
struct Leniency {
  bool may_be_unserved = false;  // a vdisk of which nothing is known is left to its next opening
  bool is_trial = false;         // nothing will be done: a closed vdisk is not opened for it
};
// Of a vdisk that nobody has ever written to: it has nothing anywhere.
inline constexpr std::string_view kNotCreated = "not created";
// `reports`: of all running servers.
Verdict judge(const Replacement& replacement, const std::vector<control::VdiskReport>& reports,
              const NewServer& found, const Leniency& leniency);

}  // namespace tlog::ctl
