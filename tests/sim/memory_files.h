// File: tests/sim/memory_files.h
// MemoryFiles: a disk of a simulated machine that outlives its processes. After a cut of the power
// each sector that was not synced is as it was, or as it was last written, by chance; names are
// durable at once. Only what a log writer needs of a FileSystem. Threading: one thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tlog/io/file.h"

namespace tlog::sim {

class MemoryFiles final : public io::FileSystem {
 public:
  struct Contents {
    std::vector<std::byte> now;
    std::vector<std::byte> synced;
  };
  // `coin` decides, sector by sector, what has reached the disk.
  void cut_power(const std::function<bool()>& coin);

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenOptions options) override;
  Status make_directories(const std::string&) override { return {}; }
  Status sync_directory(const std::string&) override { return {}; }
  Result<std::vector<io::DirectoryEntry>> list(const std::string& path) override;
  Status remove(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Result<bool> exists(const std::string& path) override { return files_.contains(path); }
  Result<unsigned> mode(const std::string&) override { return 0600U; }
  Result<std::uint64_t> free_bytes(const std::string&) override { return kGiB; }
  Result<std::unique_ptr<io::RingMapping>> map_ring(const std::string& path, std::size_t) override;
  std::string boot_id() override { return "simulated"; }

 private:
  std::map<std::string, std::shared_ptr<Contents>> files_;
};

}  // namespace tlog::sim
