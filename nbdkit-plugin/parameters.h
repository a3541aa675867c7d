// File: nbdkit-plugin/parameters.h
// What stands on nbdkit's command line: `key=value`, remembered and checked, nothing opened. nbdkit
// calls set() also for --dump-plugin and --help, so it must have no effect outside of this object.
// Threading: one thread, before the fork.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tlog/base/result.h"
#include "tlog/io/loop.h"

namespace tlog::plugin {

struct Parameters {
  std::string config_path;  // absolute: nbdkit changes its directory to / when it forks; or a URL
  std::string directory;    // with a URL: the one in which nbdkit was started
  std::string vdisk;        // serve only this one; "": all of the configuration
  std::string key_file;     // absolute; overrides keyFile
  bool memory_store = false;
  std::optional<io::IoMode> io;  // overrides journal.io
  std::optional<std::string>
      control;  // absolute path; "": no control socket; absent: the configuration's

  Status set(std::string_view key, const char* value);
  Status check() const;
};

// For nbdkit's --help. Lines begin with `key=` because Debian's shell completion looks for that.
inline constexpr char kParameterHelp[] =
    "config=<FILE>           (required) the configuration, see tlogdisk.yml(5),\n"
    "                        or etcd://HOST:PORT/KEY\n"
    "vdisk=<NAME>            serve only this vdisk of the configuration\n"
    "key-file=<FILE>         the key; overrides keyFile\n"
    "io=auto|uring|posix     how files are written; overrides journal.io\n"
    "memory-store=<BOOL>     keep the log in memory only, for trials\n"
    "control=<SOCKET>|none   where tlogctl reaches this server";

}  // namespace tlog::plugin
