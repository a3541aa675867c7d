#include "tests/crash/forgetful/forgetful_disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>

namespace tlog::crash {
namespace {

constexpr std::uint64_t kEntry = sizeof(std::uint64_t) + ForgetfulDisk::kBlock;

bool write_at(int fd, const char* data, std::uint64_t length, std::uint64_t offset) {
  return pwrite(fd, data, length, static_cast<off_t>(offset)) == static_cast<ssize_t>(length);
}

}  // namespace

ForgetfulDisk::ForgetfulDisk(std::string path, Landing landing, std::uint64_t seed)
    : path_(std::move(path)), landing_(landing), seed_(seed) {}

ForgetfulDisk::~ForgetfulDisk() {
  if (image_ >= 0) close(image_);
  if (side_ >= 0) close(side_);
}

bool ForgetfulDisk::load() {
  image_ = open(path_.c_str(), O_RDWR | O_CLOEXEC);
  side_ = open((path_ + ".unsynced").c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  struct stat status;
  if (image_ < 0 || side_ < 0 || fstat(image_, &status) != 0) return false;
  size_ = static_cast<std::uint64_t>(status.st_size) / kBlock * kBlock;
  return land() && ftruncate(side_, 0) == 0;
}

// A disk may write any cached version at any time before the cut, so of each block any version may
// be there; sectors are whole.
bool ForgetfulDisk::land() {
  if (landing_ == Landing::kNone) return true;
  std::map<std::uint64_t, std::vector<std::uint64_t>> versions;  // block -> where in the side file
  std::uint64_t number = 0;
  for (std::uint64_t at = 0;
       pread(side_, &number, sizeof number, static_cast<off_t>(at)) == sizeof number;
       at += kEntry) {
    versions[number].push_back(at + sizeof number);
  }
  std::mt19937_64 random(seed_);
  Block block(kBlock);
  for (const auto& [target, places] : versions) {
    const std::uint64_t choice = random() % (2 * places.size());
    if (choice >= places.size()) continue;
    // An entry that the kill cut short was never in the cache either.
    if (pread(side_, block.data(), kBlock, static_cast<off_t>(places[choice])) !=
        static_cast<ssize_t>(kBlock))
      continue;
    const bool tear = landing_ == Landing::kTear && random() % 4 == 0;
    for (std::uint64_t sector = 0; sector < kBlock; sector += kSector) {
      if (tear && random() % 2 == 0) continue;
      if (!write_at(image_, block.data() + sector, kSector, target * kBlock + sector)) return false;
    }
  }
  return true;
}

bool ForgetfulDisk::block_now(std::uint64_t number, Block& block) {
  const auto cached = cache_.find(number);
  if (cached != cache_.end()) {
    block = cached->second;
    return true;
  }
  block.resize(kBlock);
  return pread(image_, block.data(), kBlock, static_cast<off_t>(number * kBlock)) ==
         static_cast<ssize_t>(kBlock);
}

bool ForgetfulDisk::remember(std::uint64_t number, const Block& block) {
  char entry[kEntry];
  std::memcpy(entry, &number, sizeof number);
  std::memcpy(entry + sizeof number, block.data(), kBlock);
  return ::write(side_, entry, kEntry) == static_cast<ssize_t>(kEntry);
}

bool ForgetfulDisk::read(void* into, std::uint64_t length, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  auto* out = static_cast<char*>(into);
  Block block;
  while (length > 0) {
    const std::uint64_t in_block = offset % kBlock;
    const std::uint64_t part = std::min(length, kBlock - in_block);
    if (!block_now(offset / kBlock, block)) return false;
    std::memcpy(out, block.data() + in_block, part);
    out += part;
    offset += part;
    length -= part;
  }
  return true;
}

bool ForgetfulDisk::write(const void* data, std::uint64_t length, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  const auto* in = static_cast<const char*>(data);
  Block block;
  while (length > 0) {
    const std::uint64_t number = offset / kBlock;
    const std::uint64_t in_block = offset % kBlock;
    const std::uint64_t part = std::min(length, kBlock - in_block);
    if (!block_now(number, block)) return false;
    std::memcpy(block.data() + in_block, in, part);
    if (!remember(number, block)) return false;
    cache_[number] = block;
    in += part;
    offset += part;
    length -= part;
  }
  return true;
}

// The image is an ordinary file of a machine that stays up, so writing it is enough.
bool ForgetfulDisk::flush() {
  const std::lock_guard lock(mutex_);
  for (const auto& [number, block] : cache_) {
    if (!write_at(image_, block.data(), kBlock, number * kBlock)) return false;
  }
  cache_.clear();
  return ftruncate(side_, 0) == 0;
}

}  // namespace tlog::crash
