// File: tests/crash/forgetful/forgetful_disk.h
// A disk with a volatile cache, so that pulling the plug means something: what was not flushed when
// the process is killed is lost, or any part of it lands, as the next start is told.
//
// The cache is kept twice: in memory for readers, and as a side file of all unsynced block
// versions. The side file is the rig's memory, not the disk's: at the next start it says what might
// have landed. Threading: all calls under one lock, taken here.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace tlog::crash {

enum class Landing {
  kNone,    // the cache is lost
  kRandom,  // of each unsynced block some version lands, or none
  kTear,    // as kRandom, and only some of the block's sectors
};

class ForgetfulDisk {
 public:
  static constexpr std::uint64_t kBlock = 4096;
  static constexpr std::uint64_t kSector = 512;

  ForgetfulDisk(std::string path, Landing landing, std::uint64_t seed);
  ~ForgetfulDisk();
  ForgetfulDisk(const ForgetfulDisk&) = delete;
  ForgetfulDisk& operator=(const ForgetfulDisk&) = delete;

  // Decides what of the last life's cache landed. False with errno.
  bool load();
  std::uint64_t size() const { return size_; }
  bool read(void* into, std::uint64_t length, std::uint64_t offset);
  bool write(const void* data, std::uint64_t length, std::uint64_t offset);
  bool flush();

 private:
  using Block = std::vector<char>;

  bool land();
  bool remember(std::uint64_t number, const Block& block);
  bool block_now(std::uint64_t number, Block& block);

  const std::string path_;
  const Landing landing_;
  const std::uint64_t seed_;
  std::uint64_t size_ = 0;
  int image_ = -1;
  int side_ = -1;
  std::mutex mutex_;
  std::map<std::uint64_t, Block> cache_;  // the newest version of each unsynced block
};

}  // namespace tlog::crash
