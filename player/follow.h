// `tlogplay follow`: keeps a copy of a vdisk's log, or with the key the vdisk itself, up to what a
// name system and a content-addressed store tell of it (docs/faces.md, "REMOTE-LOG"). Neither the
// vdisk's server nor its stores need to be there.
//
// Threading: one thread. Errors: told through Output, in the exit code. What may go well later is
// told once and tried again, unless it is to be done once only.
#pragma once

#include "player/recover.h"

namespace tlog::player {

struct FollowRequest {
  std::string remote;      // where the name is: HOST:PORT or unix:PATH
  std::string cas;         // where the contents are; "": what the name says, or `remote`
  std::string name;        // a vdisk's, or of a name when there is a '/' in it
  std::string to;          // a directory; with the key a file, a device or an NBD URI
  std::string key_file;    // "": without the key
  std::string token_file;  // of `remote`
  std::string ca_file;     // TLS
  bool force = false;
  bool once = false;
  std::uint64_t every_ns = 1'000'000'000;
};

int run_follow(const FollowRequest& request, const RestoreOptions& options, const Console& console,
               const SourceEnvironment& environment);

}  // namespace tlog::player
