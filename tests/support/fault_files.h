// File: tests/support/fault_files.h
// A FileSystem that fails the Nth operation of chosen kinds and passes everything else on to
// another one. Its files have no descriptor, so that a Loop uses these calls too. Threading: any
// thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "tlog/base/mutex.h"
#include "tlog/io/file.h"

namespace tlog::testing {

// Kinds of operations, to be combined with |.
enum FileOperation : unsigned {
  kOpenFile = 1u << 0,  // also the creation of one
  kReadFile = 1u << 1,
  kWriteFile = 1u << 2,
  kSyncFile = 1u << 3,
  kResizeFile = 1u << 4,
  kPreallocateFile = 1u << 5,
  kPunchFile = 1u << 6,
  kLockFile = 1u << 7,
  kAttributeFile = 1u << 8,  // reading and setting
  kInspectFile = 1u << 9,    // size, next data or hole, exists, mode, free bytes
  kMakeDirectories = 1u << 10,
  kSyncDirectory = 1u << 11,
  kListDirectory = 1u << 12,
  kRemoveFile = 1u << 13,
  kRenameFile = 1u << 14,
  kMapRing = 1u << 15,
  kEveryFileOperation = (1u << 16) - 1,
};

struct Fault {
  unsigned operations = kEveryFileOperation;
  std::uint64_t nth = 1;        // of these operations from now on; 1 is the next one
  int error_number = 5;         // EIO
  bool sticky = false;          // all later ones of these kinds fail too
  std::string path_contains{};  // only operations on such paths are counted and failed
};

class FaultFiles final : public io::FileSystem {
 public:
  explicit FaultFiles(io::FileSystem& below) : below_(below) {}

  void inject(Fault fault);  // replaces the one before; counting starts anew
  void clear();              // nothing fails any more; counting starts anew
  std::uint64_t count()
      const;  // operations that the fault counts (all when there is none), since then
  bool fired() const;
  std::vector<std::string> failures() const;  // what was failed: "sync journal/1"

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
  std::string boot_id() override { return below_.boot_id(); }

  // For its files: the injected error when it is this operation's turn.
  Status pass(FileOperation operation, std::string_view name, const std::string& path);

 private:
  io::FileSystem& below_;
  mutable Mutex mutex_;
  bool armed_ GUARDED_BY(mutex_) = false;
  Fault fault_ GUARDED_BY(mutex_);
  std::uint64_t count_ GUARDED_BY(mutex_) = 0;
  std::vector<std::string> failures_ GUARDED_BY(mutex_);
};

}  // namespace tlog::testing
