// File: tests/support/temp_directory.h
// A directory of a test's own, gone with everything in it when the object goes. Short names: it
// holds Unix sockets, whose paths may have 107 bytes.
#pragma once

#include <string>
#include <string_view>

namespace tlog::testing {

class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

// Whole files; a test that cannot do this has failed and ends there (std::runtime_error).
void write_text(const std::string& path, std::string_view text, unsigned mode = 0644);
std::string read_text(const std::string& path);  // "" when absent

}  // namespace tlog::testing
