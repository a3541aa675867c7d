// File: tests/crash/broken_disk.h
// A disk that breaks one promise on purpose, to check the crash checker: a volatile cache over an
// image file. What is in the file survives the process, what is in the cache does not. Threading:
// all calls under one lock, taken here.
#pragma once

#include <cstdint>
#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace tlog::crash {

enum class Breakage {
  kSound,         // volatile cache; FLUSH and FUA honoured; survives as a prefix
  kWriteThrough,  // nothing volatile
  kNoFlush,       // FLUSH answers and does nothing
  kNoFua,         // FUA is ignored
  kNoSync,        // both
  kSkipWrites,    // every Nth write never happens
  kLateFlush,     // FLUSH makes durable what the FLUSH before it should have
  kTornBlock,     // blocks are written in two halves, cells whole
  kTornCell,      // cells are written in two halves
  kMisdirect,     // every Nth write lands one block further
  kStaleRead,     // reads do not see the cache
  kLostZeroes,    // zeros are forgotten at the crash
  kReplayOld,     // the restart brings an overwritten block back
  kFlushOwnOnly,  // FLUSH covers its own connection only, though multi-conn is offered
  kReorder,       // the cache is written out in any order
};

// By its name in `mode=`: sound, write-through, no-flush, ...
bool parse_breakage(const std::string& name, Breakage& breakage);

class BrokenDisk {
 public:
  BrokenDisk(Breakage breakage, std::string path, std::uint64_t size);
  ~BrokenDisk();
  BrokenDisk(const BrokenDisk&) = delete;
  BrokenDisk& operator=(const BrokenDisk&) = delete;

  // False with errno when the image cannot be used.
  bool load();
  void read(void* into, std::uint64_t length, std::uint64_t offset);
  void write(std::uint64_t connection, const void* data, std::uint64_t length, std::uint64_t offset,
             bool fua);
  void zero(std::uint64_t connection, std::uint64_t length, std::uint64_t offset, bool fua);
  void flush(std::uint64_t connection);
  std::uint64_t size() const { return size_; }

 private:
  struct Change {
    std::uint64_t order;
    std::uint64_t connection;
    std::uint64_t offset;
    std::vector<char> data;
    bool zeroes;
    bool flush_asked;
  };

  void change(Change change, bool fua);
  void write_out(const Change& change);
  void write_out_all();
  void write_file(const char* data, std::uint64_t length, std::uint64_t offset);
  void remember_old(const Change& change);
  bool bring_old_back();

  const Breakage breakage_;
  const std::string path_;
  const std::uint64_t size_;
  int fd_ = -1;
  std::mutex mutex_;
  std::mt19937_64 random_;
  std::uint64_t changes_ = 0;
  std::vector<char> contents_;         // what live readers see
  std::vector<Change> cache_;          // not in the file yet, oldest first
  std::vector<std::uint64_t> newest_;  // by cell: the order of the newest change in the file
};

}  // namespace tlog::crash
