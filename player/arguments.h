// File: player/arguments.h
// The command line of `tlogplay`, checked.
// Threading: one thread. Errors: a message for the user and the usage exit code, in
// Parsed::exit_code.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "player/commands.h"
#include "player/follow.h"
#include "player/scan_source.h"
#include "tlog/base/clock.h"

namespace tlog::player {

struct Arguments {
  enum class Command {
    kInfo,
    kList,
    kVerify,
    kRestore,
    kRecover,
    kExportShards,
    kFollow
  } command = Command::kInfo;
  std::string config;  // "": ./tlogdisk.yml, then /etc/tlogdisk/tlogdisk.yml
  std::string vdisk;
  bool json = false;
  bool quiet = false;
  ProgressOptions progress;
  InfoOptions info;
  ListOptions list;
  RestoreOptions restore;
  ScanRequest scan;  // of recover; its vdisk is the one above
  FollowRequest follow;
  std::string target;  // of export-shards: the folder
  bool force = false;
};

struct Parsed {
  std::optional<Arguments> arguments;  // absent: the program ends with exit_code
  int exit_code = 0;
};

// Prints help, version and complaints itself.
Parsed parse_arguments(const std::vector<std::string>& arguments, const Clock& clock);

}  // namespace tlog::player
