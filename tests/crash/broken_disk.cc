#include "tests/crash/broken_disk.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>

namespace tlog::crash {
namespace {

constexpr std::uint64_t kCell = 512;
constexpr std::uint64_t kBlock = 4096;
constexpr std::uint64_t kNth = 40;

// Long enough that a kill meets it, short enough that rounds stay fast.
void dawdle() {
  const timespec pause{.tv_sec = 0, .tv_nsec = 300'000};
  nanosleep(&pause, nullptr);
}

void must(bool condition) {
  if (!condition) abort();
}

}  // namespace

bool parse_breakage(const std::string& name, Breakage& breakage) {
  static const std::map<std::string, Breakage> names = {
      {"sound", Breakage::kSound},          {"write-through", Breakage::kWriteThrough},
      {"no-flush", Breakage::kNoFlush},     {"no-fua", Breakage::kNoFua},
      {"no-sync", Breakage::kNoSync},       {"skip-writes", Breakage::kSkipWrites},
      {"late-flush", Breakage::kLateFlush}, {"torn-block", Breakage::kTornBlock},
      {"torn-cell", Breakage::kTornCell},   {"misdirect", Breakage::kMisdirect},
      {"stale-read", Breakage::kStaleRead}, {"lost-zeroes", Breakage::kLostZeroes},
      {"replay-old", Breakage::kReplayOld}, {"flush-own-only", Breakage::kFlushOwnOnly},
      {"reorder", Breakage::kReorder},
  };
  const auto found = names.find(name);
  if (found == names.end()) return false;
  breakage = found->second;
  return true;
}

BrokenDisk::BrokenDisk(Breakage breakage, std::string path, std::uint64_t size)
    : breakage_(breakage), path_(std::move(path)), size_(size) {}

BrokenDisk::~BrokenDisk() {
  if (fd_ >= 0) close(fd_);
}

bool BrokenDisk::load() {
  fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0 || ftruncate(fd_, static_cast<off_t>(size_)) != 0) return false;
  if (breakage_ == Breakage::kReplayOld && !bring_old_back()) return false;
  contents_.resize(size_);
  newest_.assign(size_ / kCell + 1, 0);
  return pread(fd_, contents_.data(), size_, 0) == static_cast<ssize_t>(size_);
}

void BrokenDisk::read(void* into, std::uint64_t length, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  if (breakage_ == Breakage::kStaleRead) {
    must(pread(fd_, into, length, static_cast<off_t>(offset)) == static_cast<ssize_t>(length));
    return;
  }
  std::memcpy(into, contents_.data() + offset, length);
}

void BrokenDisk::write(std::uint64_t connection, const void* data, std::uint64_t length,
                       std::uint64_t offset, bool fua) {
  const std::lock_guard lock(mutex_);
  const bool nth = ++changes_ % kNth == 0;
  if (breakage_ == Breakage::kSkipWrites && nth) return;
  if (breakage_ == Breakage::kMisdirect && nth && offset + length + kBlock <= size_)
    offset += kBlock;
  const auto* bytes = static_cast<const char*>(data);
  change({.order = changes_,
          .connection = connection,
          .offset = offset,
          .data = std::vector<char>(bytes, bytes + length),
          .zeroes = false,
          .flush_asked = false},
         fua);
}

void BrokenDisk::zero(std::uint64_t connection, std::uint64_t length, std::uint64_t offset,
                      bool fua) {
  const std::lock_guard lock(mutex_);
  change({.order = ++changes_,
          .connection = connection,
          .offset = offset,
          .data = std::vector<char>(length, 0),
          .zeroes = true,
          .flush_asked = false},
         fua);
}

void BrokenDisk::change(Change change, bool fua) {
  std::memcpy(contents_.data() + change.offset, change.data.data(), change.data.size());
  cache_.push_back(std::move(change));
  const bool through = breakage_ == Breakage::kWriteThrough || breakage_ == Breakage::kTornBlock ||
                       breakage_ == Breakage::kTornCell;
  const bool honours_fua = breakage_ != Breakage::kNoFua && breakage_ != Breakage::kNoSync;
  if (through || (fua && honours_fua)) return write_out_all();
  if (breakage_ == Breakage::kReorder && random_() % 4 == 0) {
    // The newest goes first; those before it stay volatile.
    write_out(cache_.back());
    cache_.pop_back();
  }
}

void BrokenDisk::flush(std::uint64_t connection) {
  const std::lock_guard lock(mutex_);
  if (breakage_ == Breakage::kNoFlush || breakage_ == Breakage::kNoSync) return;
  if (breakage_ == Breakage::kLateFlush || breakage_ == Breakage::kFlushOwnOnly) {
    const bool late = breakage_ == Breakage::kLateFlush;
    std::vector<Change> stay;
    for (Change& change : cache_) {
      if (late ? change.flush_asked : change.connection == connection) {
        write_out(change);
      } else {
        change.flush_asked = true;
        stay.push_back(std::move(change));
      }
    }
    cache_ = std::move(stay);
    return;
  }
  write_out_all();
}

void BrokenDisk::write_out_all() {
  for (const Change& change : cache_) write_out(change);
  cache_.clear();
}

// Cell by cell where a newer change is already in the file, which only the unordered modes can
// meet.
void BrokenDisk::write_out(const Change& change) {
  if (breakage_ == Breakage::kLostZeroes && change.zeroes) return;
  if (breakage_ == Breakage::kReplayOld) remember_old(change);
  std::uint64_t from = 0;
  const auto superseded = [&](std::uint64_t at) {
    return newest_[(change.offset + at) / kCell] > change.order;
  };
  while (from < change.data.size()) {
    std::uint64_t to = from;
    const bool skip = superseded(from);
    while (to < change.data.size() && superseded(to) == skip) to += kCell;
    to = std::min<std::uint64_t>(to, change.data.size());
    if (!skip) write_file(change.data.data() + from, to - from, change.offset + from);
    from = to;
  }
  for (std::uint64_t at = 0; at < change.data.size(); at += kCell) {
    std::uint64_t& newest = newest_[(change.offset + at) / kCell];
    newest = std::max(newest, change.order);
  }
}

void BrokenDisk::write_file(const char* data, std::uint64_t length, std::uint64_t offset) {
  std::uint64_t first = length;
  if (breakage_ == Breakage::kTornBlock && length >= 2 * kCell) first = length / 2 / kCell * kCell;
  if (breakage_ == Breakage::kTornCell) first = length - kCell / 2;
  must(pwrite(fd_, data, first, static_cast<off_t>(offset)) == static_cast<ssize_t>(first));
  if (first == length) return;
  dawdle();
  must(pwrite(fd_, data + first, length - first, static_cast<off_t>(offset + first)) ==
       static_cast<ssize_t>(length - first));
}

// The side file holds the offset of one block and its contents before it was overwritten.
void BrokenDisk::remember_old(const Change& change) {
  if (change.data.size() < kBlock || change.offset % kBlock != 0 || random_() % 8 != 0) return;
  std::vector<char> old(sizeof change.offset + kBlock);
  std::memcpy(old.data(), &change.offset, sizeof change.offset);
  must(pread(fd_, old.data() + sizeof change.offset, kBlock, static_cast<off_t>(change.offset)) ==
       static_cast<ssize_t>(kBlock));
  const int side = open((path_ + ".old").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  must(side >= 0 && ::write(side, old.data(), old.size()) == static_cast<ssize_t>(old.size()));
  close(side);
}

bool BrokenDisk::bring_old_back() {
  const int side = open((path_ + ".old").c_str(), O_RDONLY | O_CLOEXEC);
  if (side < 0) return true;
  std::vector<char> old(sizeof(std::uint64_t) + kBlock);
  const bool whole = ::read(side, old.data(), old.size()) == static_cast<ssize_t>(old.size());
  close(side);
  if (!whole) return true;
  std::uint64_t offset = 0;
  std::memcpy(&offset, old.data(), sizeof offset);
  return pwrite(fd_, old.data() + sizeof offset, kBlock, static_cast<off_t>(offset)) ==
         static_cast<ssize_t>(kBlock);
}

}  // namespace tlog::crash
