#include "tests/support/forgetful_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <random>
#include <shared_mutex>

#include "tests/support/unsynced_contents.h"
#include "tlog/base/assert.h"

namespace tlog::testing {
namespace {

io::FileSystem& real() {
  return io::system_files();
}

Status no_power(std::string_view object) {
  return fail(Code::kIoError, fmt::format("disk: {}: the power is off", object));
}

}  // namespace

PowerLock::PowerLock() {
  pthread_rwlockattr_t attributes;
  pthread_rwlockattr_init(&attributes);
  pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  pthread_rwlock_init(&lock_, &attributes);
  pthread_rwlockattr_destroy(&attributes);
}

struct ForgetfulFiles::NameChange {
  enum class Kind { kCreated, kRemoved, kRenamed };
  Kind kind = Kind::kCreated;
  std::string path;   // kRenamed: the new name
  std::string from;   // kRenamed
  std::string trash;  // where the removed or replaced file is; "" when there was none
};

class ForgetfulFiles::Handle final : public io::File {
 public:
  Handle(ForgetfulFiles& files, std::unique_ptr<io::File> below,
         std::shared_ptr<UnsyncedContents> contents)
      : files_(files),
        path_(below->path()),
        contents_(std::move(contents)),
        below_(std::move(below)) {}
  ~Handle() override {
    std::unique_lock lock(files_.power_);
    files_.handles_.erase(this);
  }
  void die() { below_.reset(); }  // power_off() only, which is alone then

  using io::File::write;
  Result<std::size_t> read(std::uint64_t offset, ByteSpan into) override {
    return alive<Result<std::size_t>>([&] { return below_->read(offset, into); });
  }
  Status write(std::uint64_t offset, std::span<const ConstByteSpan> pieces) override {
    return alive<Status>([&] { return contents_->write(*below_, offset, pieces); });
  }
  Status sync_data() override {
    // What counts is the model: a real sync would only make the tests slow.
    return alive<Status>([&] {
      contents_->synced();
      return Status{};
    });
  }
  Status resize(std::uint64_t size) override {
    return alive<Status>([&] { return contents_->resize(*below_, size); });
  }
  Status preallocate(std::uint64_t offset, std::uint64_t length) override {
    return alive<Status>([&] { return contents_->preallocate(*below_, offset, length); });
  }
  Status punch_hole(std::uint64_t offset, std::uint64_t length) override {
    return alive<Status>([&] { return contents_->punch_hole(*below_, offset, length); });
  }
  Result<std::uint64_t> size() override {
    return alive<Result<std::uint64_t>>([&] { return below_->size(); });
  }
  Result<std::uint64_t> next_data(std::uint64_t offset) override {
    return alive<Result<std::uint64_t>>([&] { return below_->next_data(offset); });
  }
  Result<std::uint64_t> next_hole(std::uint64_t offset) override {
    return alive<Result<std::uint64_t>>([&] { return below_->next_hole(offset); });
  }
  void start_writeback(std::uint64_t, std::uint64_t) override {}  // a hint; promises nothing
  Status try_lock() override {
    return alive<Status>([&] { return below_->try_lock(); });
  }
  Status set_attribute(std::string_view name, std::string_view value) override {
    return alive<Status>([&] { return below_->set_attribute(name, value); });
  }
  Result<std::string> attribute(std::string_view name) override {
    return alive<Result<std::string>>([&] { return below_->attribute(name); });
  }
  const std::string& path() const override { return path_; }
  int descriptor() const override { return -1; }

 private:
  template <class Answer, class Do>
  Answer alive(Do what) {
    std::shared_lock lock(files_.power_);
    if (!below_) return fail(no_power(path_).error());
    return what();
  }

  ForgetfulFiles& files_;
  const std::string path_;
  const std::shared_ptr<UnsyncedContents> contents_;
  std::unique_ptr<io::File> below_;
};

ForgetfulFiles::ForgetfulFiles(std::string root)
    : root_(std::move(root)), trash_(root_ + ".trash") {
  TLOG_ASSERT(real().make_directories(trash_));
}

ForgetfulFiles::~ForgetfulFiles() {
  std::error_code ignored;
  std::filesystem::remove_all(trash_, ignored);
}

Status ForgetfulFiles::check_power() const {
  return on_ ? Status{} : no_power(root_);
}

std::shared_ptr<UnsyncedContents> ForgetfulFiles::contents_of(const std::string& path) {
  auto& contents = contents_[path];
  if (!contents) contents = std::make_shared<UnsyncedContents>();
  return contents;
}

Result<std::unique_ptr<io::File>> ForgetfulFiles::open(const std::string& path,
                                                       io::OpenOptions options) {
  std::unique_lock lock(power_);
  TLOG_TRY(check_power());
  TLOG_ASSERT(path.starts_with(root_ + "/"));
  TLOG_ASSIGN(bool existed, real().exists(path));
  options.direct = false;  // old sectors are read and put back at any alignment
  TLOG_ASSIGN(auto below, real().open(path, options));
  if (!existed) changes_.push_back({NameChange::Kind::kCreated, path, "", ""});
  auto handle = std::make_unique<Handle>(*this, std::move(below), contents_of(path));
  handles_.insert(handle.get());
  return handle;
}

Status ForgetfulFiles::make_directories(const std::string& path) {
  std::shared_lock lock(power_);
  TLOG_TRY(check_power());
  return real().make_directories(path);
}

Status ForgetfulFiles::sync_directory(const std::string& path) {
  std::unique_lock lock(power_);
  TLOG_TRY(check_power());
  TLOG_TRY(real().exists(path));
  std::string directory = path;
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  std::erase_if(changes_, [&](const NameChange& change) {
    if (io::parent_path(change.path) != directory) return false;
    if (!change.trash.empty()) {
      (void)real().remove(change.trash);
      contents_.erase(change.trash);
    }
    return true;
  });
  return {};
}

Result<std::vector<io::DirectoryEntry>> ForgetfulFiles::list(const std::string& path) {
  std::shared_lock lock(power_);
  TLOG_TRY(check_power());
  return real().list(path);
}

void ForgetfulFiles::move_contents(const std::string& from, const std::string& to) {
  contents_.erase(to);
  auto entry = contents_.extract(from);
  if (entry.empty()) return;
  entry.key() = to;
  contents_.insert(std::move(entry));
}

Status ForgetfulFiles::to_trash(const std::string& path, NameChange& change) {
  std::string trash = io::join_path(trash_, std::to_string(++trashed_));
  TLOG_TRY(real().rename(path, trash));
  move_contents(path, trash);
  change.trash = trash;
  return {};
}

Status ForgetfulFiles::remove(const std::string& path) {
  std::unique_lock lock(power_);
  TLOG_TRY(check_power());
  if (!std::filesystem::is_regular_file(path)) return real().remove(path);
  NameChange change{NameChange::Kind::kRemoved, path, "", ""};
  TLOG_TRY(to_trash(path, change));
  changes_.push_back(std::move(change));
  return {};
}

Status ForgetfulFiles::rename(const std::string& from, const std::string& to) {
  std::unique_lock lock(power_);
  TLOG_TRY(check_power());
  if (std::filesystem::is_directory(from)) return rename_directory(from, to);
  NameChange change{NameChange::Kind::kRenamed, to, from, ""};
  if (std::filesystem::is_regular_file(to)) TLOG_TRY(to_trash(to, change));
  TLOG_TRY(real().rename(from, to));
  move_contents(from, to);
  changes_.push_back(std::move(change));
  return {};
}

// Durable at once: nothing here depends on directories that come back under their old name.
Status ForgetfulFiles::rename_directory(const std::string& from, const std::string& to) {
  TLOG_TRY(real().rename(from, to));
  auto moved = [&](const std::string& path) {
    return path.starts_with(from + "/") ? to + path.substr(from.size()) : path;
  };
  decltype(contents_) contents;
  for (auto& [path, entry] : contents_) contents.emplace(moved(path), entry);
  contents_ = std::move(contents);
  for (NameChange& change : changes_) {
    change.path = moved(change.path);
    change.from = moved(change.from);
  }
  std::set<std::string> rings;
  for (const std::string& ring : rings_) rings.insert(moved(ring));
  rings_ = std::move(rings);
  return {};
}

Result<bool> ForgetfulFiles::exists(const std::string& path) {
  std::shared_lock lock(power_);
  TLOG_TRY(check_power());
  return real().exists(path);
}

Result<unsigned> ForgetfulFiles::mode(const std::string& path) {
  std::shared_lock lock(power_);
  TLOG_TRY(check_power());
  return real().mode(path);
}

Result<std::uint64_t> ForgetfulFiles::free_bytes(const std::string& path) {
  std::shared_lock lock(power_);
  TLOG_TRY(check_power());
  return real().free_bytes(path);
}

Result<std::unique_ptr<io::RingMapping>> ForgetfulFiles::map_ring(const std::string& path,
                                                                  std::size_t bytes) {
  std::unique_lock lock(power_);
  TLOG_TRY(check_power());
  TLOG_ASSERT(path.starts_with(root_ + "/"));
  TLOG_ASSIGN(auto mapping, real().map_ring(path, bytes));
  rings_.insert(path);
  return mapping;
}

std::string ForgetfulFiles::boot_id() {
  std::shared_lock lock(power_);
  return fmt::format("forgetful-boot-{}", boots_);
}

std::uint64_t ForgetfulFiles::unsynced_bytes() const {
  std::shared_lock lock(power_);
  std::uint64_t bytes = 0;
  for (const auto& [path, contents] : contents_) bytes += contents->unsynced_bytes();
  return bytes;
}

void ForgetfulFiles::undo(const NameChange& change) {
  switch (change.kind) {
    case NameChange::Kind::kCreated:
      // Not there any more when it was renamed and the new name is durable.
      (void)real().remove(change.path);
      contents_.erase(change.path);
      return;
    case NameChange::Kind::kRenamed:
      if (std::filesystem::exists(change.path)) {
        TLOG_ASSERT(real().rename(change.path, change.from));
        move_contents(change.path, change.from);
      }
      [[fallthrough]];
    case NameChange::Kind::kRemoved:
      if (change.trash.empty()) return;
      TLOG_ASSERT(real().rename(change.trash, change.path));
      move_contents(change.trash, change.path);
      return;
  }
}

void ForgetfulFiles::power_off(std::uint64_t seed, PowerCut mode) {
  std::unique_lock lock(power_);
  on_ = false;
  for (Handle* handle : handles_) handle->die();
  std::mt19937_64 random(seed);
  for (auto& [path, contents] : contents_) contents->cut(path, random, mode);
  // Names are journaled in order: of what was not synced a first part may have reached the disk.
  std::size_t kept = mode == PowerCut::kDropAll ? 0 : random() % (changes_.size() + 1);
  while (changes_.size() > kept) {
    undo(changes_.back());
    changes_.pop_back();
  }
  for (const NameChange& change : changes_) {
    if (!change.trash.empty()) (void)real().remove(change.trash);
  }
  changes_.clear();
  contents_.clear();
  for (const std::string& ring : rings_) (void)real().remove(ring);
  rings_.clear();
}

void ForgetfulFiles::power_on() {
  std::unique_lock lock(power_);
  on_ = true;
  ++boots_;
}

}  // namespace tlog::testing
