// File: ctl/config_file.h
// A configuration file whose text is replaced by a command: all of it or nothing, with its mode and
// owner kept, through links to the file that they point to, and only when nobody has changed it
// since it was read. Threading: one thread. Durability: replace() has synced what it says it did.
#pragma once

#include <memory>
#include <string>

#include "tlog/io/file.h"

namespace tlog::ctl {

class ConfigFile {
 public:
  // Reads it, and keeps other commands that would change it out until this is gone. kUnavailable:
  // another one is at it.
  static Result<ConfigFile> open(io::FileSystem& files, const std::string& path);

  const std::string& text() const { return text_; }
  // kUnavailable: somebody has changed it meanwhile.
  Status replace(const std::string& text);

 private:
  ConfigFile(io::FileSystem& files, std::string path) : files_(&files), path_(std::move(path)) {}

  io::FileSystem* files_;
  std::string path_;  // of the file itself, without links
  std::unique_ptr<io::File> locked_;
  std::string text_;
};

}  // namespace tlog::ctl
