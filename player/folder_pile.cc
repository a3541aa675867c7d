#include "player/folder_pile.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "player/loose_shard.h"
#include "tlog/base/limits.h"
#include "tlog/io/workers.h"

namespace tlog::player {

namespace {

constexpr std::string_view kShardMagic = "TLOGSHRD";
constexpr std::size_t kShardBytesMin = shard::kShardHeaderBytes + shard::kShardTrailerBytes;
constexpr std::size_t kShardBytesMax = kShardBytesMin + kSealedMax + kKiB;
constexpr unsigned kReaders = 4;
constexpr std::size_t kProblemsMax = 20;

Error not_a_shard(const std::string& path) {
  return Error(Code::kInvalidArgument, fmt::format("read: {}: not a shard", path));
}

Result<Buffer> read_shard_file(io::FileSystem& files, const std::string& path) {
  // Opening a pipe would wait for its other end.
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return fail(not_a_shard(path));
  TLOG_ASSIGN(auto file, files.open(path, {}));
  TLOG_ASSIGN(std::uint64_t size, file->size());
  if (size < kShardBytesMin || size > kShardBytesMax) return fail(not_a_shard(path));
  std::array<std::byte, kShardMagic.size()> magic{};
  TLOG_ASSIGN(std::size_t begun, file->read(0, magic));
  if (begun < magic.size() || !std::ranges::equal(magic, bytes_of(kShardMagic))) {
    return fail(not_a_shard(path));
  }
  Buffer bytes(size);
  TLOG_ASSIGN(std::size_t got, file->read(0, bytes.span()));
  if (got == size) return bytes;
  return fail(not_a_shard(path));  // it became shorter meanwhile
}

class FolderPile final : public ShardPile {
 public:
  FolderPile(const std::string& folder, io::FileSystem& files, io::Loop& loop)
      : root_(folder), name_("folder " + folder), files_(files), loop_(loop) {
    folders_.push_back(root_);
    readers_.start(kReaders, "tlogplay-files");
  }
  ~FolderPile() override { readers_.stop(); }

  std::uint64_t count() override {
    std::uint64_t found = 0;
    std::vector<std::string> folders{root_};
    while (!folders.empty()) {
      std::string folder = std::move(folders.back());
      folders.pop_back();
      auto entries = files_.list(folder);
      if (!entries) continue;  // next() tells it
      for (const io::DirectoryEntry& entry : *entries) {
        if (entry.is_directory) {
          folders.push_back(io::join_path(folder, entry.name));
        } else {
          ++found;
        }
      }
    }
    return found;
  }

  std::vector<PileItem> next(std::size_t limit) override {
    std::vector<PileItem> items;
    while (items.size() < limit && (at_ < entries_.size() || open_next_folder())) {
      if (at_ == entries_.size()) continue;
      io::DirectoryEntry& entry = entries_[at_++];
      if (entry.is_directory) {
        folders_.push_back(io::join_path(folder_, entry.name));
      } else {
        items.push_back({part_of(entry.name), std::move(entry.name)});
      }
    }
    return items;
  }

  void read(const PileItem& item, store::GetDone done) override {
    std::string path = io::join_path(parts_[item.where].folder, item.name);
    readers_.submit([this, path = std::move(path), done = std::move(done)] {
      auto bytes = std::make_shared<Result<Buffer>>(read_shard_file(files_, path));
      loop_.post([bytes, done] { done(std::move(*bytes)); });
    });
  }
  void stop() override { readers_.stop(); }
  void give_up(std::uint32_t where, const std::string& reason) override {
    add_problem(fmt::format("{}: {}", parts_[where].folder, reason));
  }

  std::string usual_name(std::uint32_t where, const shard::Identity& identity,
                         unsigned index) const override {
    LooseShard shard;
    shard.vdisk = parts_[where].label;
    shard.uuid = identity.vdisk;
    shard.epoch = identity.epoch;
    shard.number = identity.number;
    shard.index = index;
    return loose_shard_name(shard);
  }
  std::optional<ExpectedShard> expected(const PileItem& item) const override {
    auto shard = parse_loose_shard_name(item.name);
    if (!shard) return std::nullopt;
    return ExpectedShard{shard->uuid, {shard->epoch, shard->number}};
  }
  const std::string& label(std::uint32_t where) const override { return parts_[where].label; }

  // What was never put into the folder cannot be seen; more than m lost stores nothing survives.
  unsigned unseen(const shard::Geometry& geometry) const override { return geometry.parity; }
  std::vector<std::string> problems() const override { return problems_; }
  const std::string& name() const override { return name_; }

 private:
  // Files of one folder whose names begin with the same vdisk's.
  struct Part {
    std::string folder;
    std::string label;
  };

  bool open_next_folder() {
    if (folders_.empty()) return false;
    folder_ = std::move(folders_.back());
    folders_.pop_back();
    entries_.clear();
    at_ = 0;
    folder_parts_ = parts_.size();
    auto entries = files_.list(folder_);
    if (entries) {
      entries_ = std::move(*entries);
    } else {
      add_problem(entries.error().message());
    }
    return true;
  }
  // parts_ is read by nobody else meanwhile: read() takes what it needs before it returns.
  std::uint32_t part_of(const std::string& file) {
    auto shard = parse_loose_shard_name(file);
    std::string label = shard ? shard->vdisk : std::string();
    for (std::size_t i = folder_parts_; i < parts_.size(); ++i) {
      if (parts_[i].label == label) return static_cast<std::uint32_t>(i);
    }
    parts_.push_back({folder_, std::move(label)});
    return static_cast<std::uint32_t>(parts_.size() - 1);
  }
  void add_problem(std::string problem) {
    if (problems_.size() < kProblemsMax) problems_.push_back(std::move(problem));
  }

  const std::string root_;
  const std::string name_;
  io::FileSystem& files_;
  io::Loop& loop_;
  io::Workers readers_;
  std::vector<std::string> folders_;  // still to be looked into
  std::string folder_;
  std::vector<io::DirectoryEntry> entries_;  // of folder_
  std::size_t at_ = 0;
  std::vector<Part> parts_;
  std::size_t folder_parts_ = 0;  // where those of folder_ begin
  std::vector<std::string> problems_;
};

}  // namespace

Result<std::unique_ptr<ShardPile>> make_folder_pile(const std::string& folder,
                                                    io::FileSystem& files, io::Loop& loop) {
  TLOG_TRY(files.list(folder));
  return std::make_unique<FolderPile>(folder, files, loop);
}

}  // namespace tlog::player
