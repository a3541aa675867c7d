// File: tests/support/site.h
// A directory with a key, a configuration and everything tlogdisk keeps, also what it would keep in
// /dev/shm.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/nbdkit_server.h"
#include "tests/support/temp_directory.h"

namespace tlog::testing {

struct SiteVdisk {
  std::string name = "vm1";
  std::uint64_t size_mib = 64;
  bool read_only = false;
  std::string description;
  std::string storage{};  // "{cluster: c}", instead of a file
  std::string more{};     // further keys of this vdisk, as in ", tlog: {durability: cluster}"
};

struct SiteOptions {
  std::vector<SiteVdisk> vdisks = {{}};
  std::uint64_t journal_mib = 32;
  std::string clusters;  // instead of the six directories of "local": lines, indented by two
  std::string tlog = "cluster: local, flushTime: 500ms";
  std::string more{};  // further lines at the file's end
  // Elsewhere than in the site's directory when absolute.
  std::string journal_directory = "journal";
  std::string arena_directory = "arena";
  std::string blocks_directory = "blocks";
};

class Site {
 public:
  explicit Site(const SiteOptions& options = {});

  const std::string& directory() const { return directory_.path(); }
  std::string file(std::string_view name) const { return directory_.file(name); }
  std::string config_path() const { return file("tlogdisk.yml"); }
  const std::string& key_hex() const { return key_hex_; }  // 64 digits
  // Writes the configuration anew, with the same key and directories.
  void configure(const SiteOptions& options) const;

  // Ready for NbdkitServer::start: config= and directory are set.
  NbdkitOptions nbdkit(std::vector<std::string> arguments = {}) const;

 private:
  TempDirectory directory_;
  std::string key_hex_;
};

}  // namespace tlog::testing
