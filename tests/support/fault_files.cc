#include "tests/support/fault_files.h"

#include <fmt/format.h>

namespace tlog::testing {
namespace {

class FaultFile final : public io::File {
 public:
  FaultFile(FaultFiles& files, std::unique_ptr<io::File> below)
      : files_(files), below_(std::move(below)) {}

  using io::File::write;
  Result<std::size_t> read(std::uint64_t offset, ByteSpan into) override {
    TLOG_TRY(files_.pass(kReadFile, "read", path()));
    return below_->read(offset, into);
  }
  Status write(std::uint64_t offset, std::span<const ConstByteSpan> pieces) override {
    TLOG_TRY(files_.pass(kWriteFile, "write", path()));
    return below_->write(offset, pieces);
  }
  Status sync_data() override {
    TLOG_TRY(files_.pass(kSyncFile, "sync", path()));
    return below_->sync_data();
  }
  Status resize(std::uint64_t size) override {
    TLOG_TRY(files_.pass(kResizeFile, "resize", path()));
    return below_->resize(size);
  }
  Status preallocate(std::uint64_t offset, std::uint64_t length) override {
    TLOG_TRY(files_.pass(kPreallocateFile, "preallocate", path()));
    return below_->preallocate(offset, length);
  }
  Status punch_hole(std::uint64_t offset, std::uint64_t length) override {
    TLOG_TRY(files_.pass(kPunchFile, "punch", path()));
    return below_->punch_hole(offset, length);
  }
  Result<std::uint64_t> size() override {
    TLOG_TRY(files_.pass(kInspectFile, "size", path()));
    return below_->size();
  }
  Result<std::uint64_t> next_data(std::uint64_t offset) override {
    TLOG_TRY(files_.pass(kInspectFile, "next data", path()));
    return below_->next_data(offset);
  }
  Result<std::uint64_t> next_hole(std::uint64_t offset) override {
    TLOG_TRY(files_.pass(kInspectFile, "next hole", path()));
    return below_->next_hole(offset);
  }
  void start_writeback(std::uint64_t offset, std::uint64_t length) override {
    below_->start_writeback(offset, length);
  }
  Status try_lock() override {
    TLOG_TRY(files_.pass(kLockFile, "lock", path()));
    return below_->try_lock();
  }
  Status set_attribute(std::string_view name, std::string_view value) override {
    TLOG_TRY(files_.pass(kAttributeFile, "set attribute", path()));
    return below_->set_attribute(name, value);
  }
  Result<std::string> attribute(std::string_view name) override {
    TLOG_TRY(files_.pass(kAttributeFile, "attribute", path()));
    return below_->attribute(name);
  }
  const std::string& path() const override { return below_->path(); }
  int descriptor() const override { return -1; }

 private:
  FaultFiles& files_;
  const std::unique_ptr<io::File> below_;
};

}  // namespace

void FaultFiles::inject(Fault fault) {
  MutexLock lock(mutex_);
  armed_ = true;
  fault_ = std::move(fault);
  count_ = 0;
  failures_.clear();
}

void FaultFiles::clear() {
  MutexLock lock(mutex_);
  armed_ = false;
  fault_ = Fault{};
  count_ = 0;
  failures_.clear();
}

std::uint64_t FaultFiles::count() const {
  MutexLock lock(mutex_);
  return count_;
}

bool FaultFiles::fired() const {
  MutexLock lock(mutex_);
  return !failures_.empty();
}

std::vector<std::string> FaultFiles::failures() const {
  MutexLock lock(mutex_);
  return failures_;
}

Status FaultFiles::pass(FileOperation operation, std::string_view name, const std::string& path) {
  MutexLock lock(mutex_);
  if ((fault_.operations & operation) == 0) return {};
  if (path.find(fault_.path_contains) == std::string::npos) return {};
  ++count_;
  if (!armed_ || count_ < fault_.nth || (count_ > fault_.nth && !fault_.sticky)) return {};
  failures_.push_back(fmt::format("{} {}", name, path));
  return fail(os_error(fault_.error_number, fmt::format("{}: {}", name, path)));
}

Result<std::unique_ptr<io::File>> FaultFiles::open(const std::string& path,
                                                   io::OpenOptions options) {
  TLOG_TRY(pass(kOpenFile, "open", path));
  TLOG_ASSIGN(auto below, below_.open(path, options));
  return std::make_unique<FaultFile>(*this, std::move(below));
}

Status FaultFiles::make_directories(const std::string& path) {
  TLOG_TRY(pass(kMakeDirectories, "make directories", path));
  return below_.make_directories(path);
}

Status FaultFiles::sync_directory(const std::string& path) {
  TLOG_TRY(pass(kSyncDirectory, "sync directory", path));
  return below_.sync_directory(path);
}

Result<std::vector<io::DirectoryEntry>> FaultFiles::list(const std::string& path) {
  TLOG_TRY(pass(kListDirectory, "list", path));
  return below_.list(path);
}

Status FaultFiles::remove(const std::string& path) {
  TLOG_TRY(pass(kRemoveFile, "remove", path));
  return below_.remove(path);
}

Status FaultFiles::rename(const std::string& from, const std::string& to) {
  TLOG_TRY(pass(kRenameFile, "rename", to));
  return below_.rename(from, to);
}

Result<bool> FaultFiles::exists(const std::string& path) {
  TLOG_TRY(pass(kInspectFile, "exists", path));
  return below_.exists(path);
}

Result<unsigned> FaultFiles::mode(const std::string& path) {
  TLOG_TRY(pass(kInspectFile, "mode", path));
  return below_.mode(path);
}

Result<std::uint64_t> FaultFiles::free_bytes(const std::string& path) {
  TLOG_TRY(pass(kInspectFile, "free bytes", path));
  return below_.free_bytes(path);
}

Result<std::unique_ptr<io::RingMapping>> FaultFiles::map_ring(const std::string& path,
                                                              std::size_t bytes) {
  TLOG_TRY(pass(kMapRing, "map", path));
  return below_.map_ring(path, bytes);
}

}  // namespace tlog::testing
