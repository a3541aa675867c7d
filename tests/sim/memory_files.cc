#include "tests/sim/memory_files.h"

#include <algorithm>
#include <cstring>

namespace tlog::sim {
namespace {

constexpr std::size_t kSector = 512;

Error absent(std::string_view operation, const std::string& path) {
  return Error(Code::kNotFound, std::string(operation) + ": " + path + ": no such file");
}

class MemoryFile final : public io::File {
 public:
  MemoryFile(std::string path, std::shared_ptr<MemoryFiles::Contents> contents)
      : path_(std::move(path)), contents_(std::move(contents)) {}

  Result<std::size_t> read(std::uint64_t offset, ByteSpan into) override {
    const auto& bytes = contents_->now;
    if (offset >= bytes.size()) return std::size_t{0};
    const std::size_t length = std::min<std::size_t>(into.size(), bytes.size() - offset);
    std::memcpy(into.data(), bytes.data() + offset, length);
    return length;
  }
  Status write(std::uint64_t offset, std::span<const ConstByteSpan> pieces) override {
    auto& bytes = contents_->now;
    for (ConstByteSpan piece : pieces) {
      if (bytes.size() < offset + piece.size()) bytes.resize(offset + piece.size());
      if (!piece.empty()) std::memcpy(bytes.data() + offset, piece.data(), piece.size());
      offset += piece.size();
    }
    return {};
  }
  Status sync_data() override {
    contents_->synced = contents_->now;
    return {};
  }
  Status resize(std::uint64_t size) override {
    contents_->now.resize(size);
    return {};
  }
  Status preallocate(std::uint64_t, std::uint64_t) override {
    return fail(Code::kNotSupported, "preallocate: " + path_ + ": it is in memory");
  }
  Status punch_hole(std::uint64_t offset, std::uint64_t length) override {
    auto& bytes = contents_->now;
    const std::size_t end = std::min<std::size_t>(bytes.size(), offset + length);
    if (offset < end) std::fill(bytes.begin() + offset, bytes.begin() + end, std::byte{0});
    return {};
  }
  Result<std::uint64_t> size() override { return contents_->now.size(); }
  Result<std::uint64_t> next_data(std::uint64_t offset) override { return offset; }
  Result<std::uint64_t> next_hole(std::uint64_t) override { return contents_->now.size(); }
  void start_writeback(std::uint64_t, std::uint64_t) override {}
  Status try_lock() override { return {}; }
  Status set_attribute(std::string_view, std::string_view) override { return no_attributes(); }
  Result<std::string> attribute(std::string_view) override { return fail(no_attributes().error()); }
  const std::string& path() const override { return path_; }
  int descriptor() const override { return -1; }

 private:
  Status no_attributes() const {
    return fail(Code::kNotSupported, "attribute: " + path_ + ": it is in memory");
  }

  const std::string path_;
  const std::shared_ptr<MemoryFiles::Contents> contents_;
};

}  // namespace

void MemoryFiles::cut_power(const std::function<bool()>& coin) {
  for (auto& [path, contents] : files_) {
    // Who had it open has its own view of a disk that is gone.
    auto after = std::make_shared<Contents>();
    after->now = contents->now;
    after->now.resize(std::max(contents->now.size(), contents->synced.size()));
    for (std::size_t at = 0; at < after->now.size(); at += kSector) {
      const std::size_t end = std::min(at + kSector, after->now.size());
      const bool is_old = coin();
      for (std::size_t i = at; i < end && is_old; ++i) {
        after->now[i] = i < contents->synced.size() ? contents->synced[i] : std::byte{0};
      }
    }
    after->synced = after->now;
    contents = std::move(after);
  }
}

Result<std::unique_ptr<io::File>> MemoryFiles::open(const std::string& path,
                                                    io::OpenOptions options) {
  auto found = files_.find(path);
  if (found == files_.end()) {
    if (!options.create) return fail(absent("open", path));
    found = files_.emplace(path, std::make_shared<Contents>()).first;
  } else if (options.exclusive) {
    return fail(Code::kAlreadyExists, "open: " + path + ": it exists");
  }
  return std::unique_ptr<io::File>(std::make_unique<MemoryFile>(path, found->second));
}

Result<std::vector<io::DirectoryEntry>> MemoryFiles::list(const std::string& path) {
  std::vector<io::DirectoryEntry> entries;
  for (const auto& [name, contents] : files_) {
    if (io::parent_path(name) == path) {
      entries.push_back({.name = name.substr(path.size() + 1), .is_directory = false});
    }
  }
  return entries;
}

Status MemoryFiles::remove(const std::string& path) {
  if (files_.erase(path) == 0) return fail(absent("remove", path));
  return {};
}

Status MemoryFiles::rename(const std::string& from, const std::string& to) {
  auto found = files_.extract(from);
  if (found.empty()) return fail(absent("rename", from));
  files_[to] = std::move(found.mapped());
  return {};
}

Result<std::unique_ptr<io::RingMapping>> MemoryFiles::map_ring(const std::string& path,
                                                               std::size_t) {
  return fail(Code::kNotSupported, "map: " + path + ": the simulated disk has no mappings");
}

}  // namespace tlog::sim
