// File: tests/support/forgetful_files.h
// A FileSystem on real files that behaves like a disk with a volatile cache: what is written is
// seen at once, but what was not synced may be gone, whole or in parts, after power_off(). A file
// that was created, renamed or removed may be undone until its directory was synced; attributes and
// make_directories() are durable at once. Ring mappings are memory and gone after every cut.
//
// Between power_off() and power_on() every call fails; files opened before stay dead for ever,
// their locks are free. Afterwards the same object is the disk after the reboot, with another
// boot_id(). Threading: any thread, power_off() too.
#pragma once

#include <pthread.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tlog/io/file.h"

namespace tlog::testing {

class UnsyncedContents;  // of one file, whatever its name: what a cut may undo

// Like std::shared_mutex, but a writer that waits is served next: the power goes off also among busy threads.
class PowerLock {
 public:
  PowerLock();
  ~PowerLock() { pthread_rwlock_destroy(&lock_); }
  PowerLock(const PowerLock&) = delete;
  PowerLock& operator=(const PowerLock&) = delete;
  void lock() { pthread_rwlock_wrlock(&lock_); }
  void unlock() { pthread_rwlock_unlock(&lock_); }
  void lock_shared() { pthread_rwlock_rdlock(&lock_); }
  void unlock_shared() { pthread_rwlock_unlock(&lock_); }

 private:
  pthread_rwlock_t lock_;
};

enum class PowerCut {
  kDropAll,      // nothing that was not synced survives
  kDropBlocks,   // a random subset of the unsynced 4 KiB blocks survives
  kTearSectors,  // a random subset of the unsynced 512-byte sectors survives
};

class ForgetfulFiles final : public io::FileSystem {
 public:
  // `root`: an existing directory; all paths must be below it.
  explicit ForgetfulFiles(std::string root);
  ~ForgetfulFiles() override;

  // In the random modes a seed replays the same choice for the same sequence of operations.
  void power_off(std::uint64_t seed, PowerCut mode);
  void power_on();
  void power_cut(std::uint64_t seed, PowerCut mode) {
    power_off(seed, mode);
    power_on();
  }
  std::uint64_t unsynced_bytes() const;  // of data; what a cut may take

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenOptions options) override;
  Status make_directories(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<std::vector<io::DirectoryEntry>> list(const std::string& path) override;
  Status remove(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Result<bool> exists(const std::string& path) override;
  Result<unsigned> mode(const std::string& path) override;
  Result<std::uint64_t> free_bytes(const std::string& path) override;
  Result<std::unique_ptr<io::RingMapping>> map_ring(const std::string& path,
                                                    std::size_t bytes) override;
  std::string boot_id() override;

 private:
  class Handle;
  struct NameChange;

  Status check_power() const;
  std::shared_ptr<UnsyncedContents> contents_of(const std::string& path);
  Status to_trash(const std::string& path, NameChange& change);
  Status rename_directory(const std::string& from, const std::string& to);
  void move_contents(const std::string& from, const std::string& to);
  void undo(const NameChange& change);

  const std::string root_;
  const std::string trash_;  // removed files wait here until their directory is synced
  // Exclusive for power_off() and for what changes names, shared for the rest.
  mutable PowerLock power_;
  bool on_ = true;
  std::uint64_t boots_ = 1;
  std::uint64_t trashed_ = 0;
  std::map<std::string, std::shared_ptr<UnsyncedContents>> contents_;  // by the real path
  std::vector<NameChange> changes_;                                    // in order; not synced yet
  std::set<std::string> rings_;
  std::set<Handle*> handles_;
};

}  // namespace tlog::testing
