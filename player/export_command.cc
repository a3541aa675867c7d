#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "player/export.h"
#include "player/loose_shard.h"
#include "player/shard_survey.h"
#include "player/store_pile.h"
#include "tlog/base/limits.h"

namespace tlog::player {

namespace {

// So many files are written before they are synced one after the other: their blocks are on the way
// by then.
constexpr std::size_t kUnsyncedFilesMax = 64;

struct Exported {
  std::string vdisk;
  std::uint64_t files = 0;  // written now
  std::uint64_t bytes = 0;
  std::uint64_t kept = 0;  // were there already
  std::uint64_t rotten = 0;
  std::uint64_t unreadable = 0;
  std::uint64_t weak = 0;  // aggregations with fewer shards than it takes
  AggregationNumber first_weak = 0;
  std::vector<std::string> problems;
};

class Exporter {
 public:
  Exporter(const std::string& folder, const std::string& vdisk, io::FileSystem& files)
      : folder_(folder), vdisk_(vdisk), files_(files) {}

  Status visit(Result<Buffer>& value, Exported& exported) {
    if (!value) {
      // What the store itself found damaged is no shard any more either.
      ++(value.error().code() == Code::kCorruption ? exported.rotten : exported.unreadable);
      return {};
    }
    auto view = shard::parse(value->span());
    if (!view) {
      ++exported.rotten;
      return {};
    }
    LooseShard shard;
    shard.vdisk = vdisk_;
    shard.uuid = view->identity.vdisk;
    shard.epoch = view->identity.epoch;
    shard.number = view->identity.number;
    shard.index = view->index;
    TLOG_ASSIGN(bool written, write(shard, value->span()));
    written ? ++exported.files : ++exported.kept;
    if (written) exported.bytes += value->size();
    return {};
  }

  Status finish() {
    TLOG_TRY(sync_files());
    for (const std::string& folder : folders_) TLOG_TRY(files_.sync_directory(folder));
    return {};
  }

 private:
  Result<bool> write(const LooseShard& shard, ConstByteSpan bytes) {
    std::string folder = io::join_path(folder_, loose_shard_folder(shard));
    if (folder != current_) {
      TLOG_TRY(files_.make_directories(folder));
      folders_.insert(folder);
      current_ = folder;
    }
    std::string path = io::join_path(folder, loose_shard_name(shard));
    TLOG_ASSIGN(bool exists, files_.exists(path));
    if (exists) {
      // An interrupted export may have left a torn file: only an intact one stays.
      auto old = io::read_file(files_, path, bytes.size() + 1);
      if (old && shard::parse(bytes_of(std::string_view(*old)))) return false;
    }
    TLOG_ASSIGN(auto file, files_.open(path, {.write = true, .create = true}));
    TLOG_TRY(file->write(0, bytes));
    TLOG_TRY(file->resize(bytes.size()));
    file->start_writeback(0, bytes.size());
    unsynced_.push_back(std::move(file));
    if (unsynced_.size() >= kUnsyncedFilesMax) TLOG_TRY(sync_files());
    return true;
  }
  Status sync_files() {
    for (auto& file : unsynced_) TLOG_TRY(file->sync_data());
    unsynced_.clear();
    return {};
  }

  const std::string folder_;
  const std::string vdisk_;
  io::FileSystem& files_;
  std::string current_;
  std::set<std::string> folders_;
  std::vector<std::unique_ptr<io::File>> unsynced_;
};

// How many shards of each aggregation there are.
class Census {
 public:
  void add(const shard::ShardView& view) {
    FoundShard found;
    found.number = view.identity.number;
    found.epoch = view.identity.epoch;
    found.tag = tag_of(view.identity.aggregation_hash);
    found.index = static_cast<std::uint8_t>(view.index);
    found.data = static_cast<std::uint8_t>(view.geometry.data);
    found.parity = static_cast<std::uint8_t>(view.geometry.parity);
    indexes_[view.identity.vdisk].add(found);
  }
  void finish(Exported& exported) {
    for (auto& [uuid, index] : indexes_) {
      index.finish();
      AggregationNumber expected = index.last();
      for (AggregationNumber number = index.last(); number != 0; number = index.before(number)) {
        if (expected > number) note(exported, number + 1, expected);
        bool readable = false;
        for (const Candidate& candidate : index.at(number)) readable |= index.enough(candidate);
        if (!readable) note(exported, number, number);
        expected = number - 1;
      }
      if (expected > 0) note(exported, 1, expected);
    }
  }

 private:
  static void note(Exported& exported, AggregationNumber first, AggregationNumber last) {
    exported.weak += last - first + 1;
    exported.first_weak = first;
  }
  std::map<Uuid, ShardIndex> indexes_;
};

Result<Exported> export_vdisk(const ExportRequest& request, const config::Vdisk& vdisk,
                              const Console& console, const config::Config& config,
                              const SourceEnvironment& environment) {
  TLOG_ASSIGN(auto stores, OpenStores::open(config, vdisk, environment));
  TLOG_ASSIGN(auto pile, make_store_pile(*stores, vdisk.tlog.cluster, vdisk.name));
  Exported exported;
  exported.vdisk = vdisk.name;
  Exporter exporter(request.folder, vdisk.name, environment.files);
  Census census;
  TLOG_TRY(read_pile(*pile, {"exporting " + vdisk.name, console.progress, console.stop},
                     [&](const PileItem&, Result<Buffer>& value) -> Status {
                       if (value) {
                         if (auto view = shard::parse(value->span())) census.add(*view);
                       }
                       return exporter.visit(value, exported);
                     }));
  TLOG_TRY(exporter.finish());
  census.finish(exported);
  exported.problems = pile->problems();
  return exported;
}

Result<std::vector<const config::Vdisk*>> vdisks_of(const ExportRequest& request,
                                                    const config::Config& config) {
  std::vector<const config::Vdisk*> vdisks;
  std::string known;
  for (const config::Vdisk& vdisk : config.vdisks) {
    known += " " + vdisk.name;
    if (request.vdisk.empty() || request.vdisk == vdisk.name) vdisks.push_back(&vdisk);
  }
  if (!vdisks.empty()) return vdisks;
  return fail(Code::kNotFound, fmt::format("{}: no vdisk '{}'; it has:{}", config.path,
                                           request.vdisk, known.empty() ? " none" : known));
}

void tell(const Console& console, const ExportRequest& request, const Exported& exported,
          nlohmann::ordered_json& all) {
  for (const std::string& problem : exported.problems) {
    console.output.warning("cannot be used: " + problem);
  }
  if (exported.rotten + exported.unreadable > 0) {
    console.output.warning(fmt::format("{}: {} damaged and {} unreadable shards were left out",
                                       exported.vdisk, exported.rotten, exported.unreadable));
  }
  if (exported.weak > 0) {
    console.output.warning(
        fmt::format("{}: {} aggregations have too few intact shards to be read, the first is {}",
                    exported.vdisk, exported.weak, exported.first_weak));
  }
  if (console.output.json()) {
    all.push_back({{"vdisk", exported.vdisk},
                   {"files", exported.files},
                   {"bytes", exported.bytes},
                   {"kept", exported.kept},
                   {"damaged", exported.rotten},
                   {"unreadable", exported.unreadable},
                   {"unusable_stores", exported.problems},
                   {"incomplete_aggregations", exported.weak}});
    return;
  }
  console.output.write(
      fmt::format("{}: {} shards, {}, in {}{}\n", exported.vdisk, exported.files,
                  format_bytes(exported.bytes), request.folder,
                  exported.kept == 0 ? "" : fmt::format("; {} were there already", exported.kept)));
}

}  // namespace

int export_shards(const ExportRequest& request, const Console& console,
                  const config::Config& config, const SourceEnvironment& environment) {
  auto vdisks = vdisks_of(request, config);
  if (!vdisks) return console.output.failed(vdisks.error());
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  int code = kExitOk;
  for (const config::Vdisk* vdisk : *vdisks) {
    auto exported = export_vdisk(request, *vdisk, console, config, environment);
    bool nothing = !exported && exported.error().code() == Code::kNotFound;
    if (nothing && request.vdisk.empty() && vdisks->size() > 1) {
      console.output.warning(exported.error().message());
      continue;
    }
    if (!exported) return console.output.failed(exported.error());
    if (exported->weak > 0) code = kExitCorruption;
    tell(console, request, *exported, all);
  }
  if (console.output.json()) {
    nlohmann::ordered_json document = {{"folder", request.folder}, {"vdisks", all}};
    using Handler = nlohmann::ordered_json::error_handler_t;
    console.output.write(document.dump(2, ' ', false, Handler::replace) + "\n");
  }
  return code;
}

}  // namespace tlog::player
