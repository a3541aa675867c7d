#include "player/store_pile.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <set>

#include "tlog/walk/gather.h"

namespace tlog::player {

namespace {

// Keys asked for at once. A redis-protocol server looks at all its keys for each page.
constexpr std::size_t kPageKeys = 32 * kKiB;
// A listing may take long where there are many keys.
constexpr auto kListTimeout = std::chrono::seconds(120);

class StorePile final : public ShardPile {
 public:
  StorePile(const OpenStores& stores, const std::string& cluster, std::string vdisk)
      : vdisk_(std::move(vdisk)), name_("cluster " + cluster) {
    for (store::Store* store : stores.pointers()) parts_.push_back({.store = store});
  }

  Status check() {
    count();
    bool all_failed = std::all_of(parts_.begin(), parts_.end(),
                                  [](const Part& part) { return !part.failure.empty(); });
    if (counted_ > 0) return {};
    std::string reasons;
    for (const std::string& problem : problems()) reasons += "; " + problem;
    return fail(all_failed ? Code::kUnavailable : Code::kNotFound,
                fmt::format("recover: {}: no shards of vdisk '{}' in its stores{}", name_, vdisk_,
                            reasons));
  }

  std::uint64_t count() override {
    if (counted_ > 0) return counted_;
    for (Part& part : parts_) {
      while (fill(part)) {
        part.keys += part.page.size();
        part.page.clear();
      }
      counted_ += part.keys;
      part.after.clear();
      part.ended = false;
    }
    return counted_;
  }

  std::vector<PileItem> next(std::size_t limit) override {
    std::vector<PileItem> items;
    std::size_t idle = 0;
    while (items.size() < limit && idle < parts_.size()) {
      turn_ = (turn_ + 1) % parts_.size();
      Part& part = parts_[turn_];
      if (part.page.empty() && !fill(part)) {
        ++idle;
        continue;
      }
      idle = 0;
      items.push_back({static_cast<std::uint32_t>(turn_), std::move(part.page.front())});
      part.page.pop_front();
    }
    return items;
  }

  void read(const PileItem& item, store::GetDone done) override {
    parts_[item.where].store->get(item.name, std::move(done));
  }
  void give_up(std::uint32_t where, const std::string& reason) override {
    parts_[where].failure = reason;
    parts_[where].page.clear();
  }

  std::string usual_name(std::uint32_t, const shard::Identity& identity, unsigned) const override {
    return format::shard_key(vdisk_, identity.epoch, identity.number);
  }
  std::optional<ExpectedShard> expected(const PileItem& item) const override {
    auto key = format::parse_shard_key(vdisk_, item.name);
    if (!key) return std::nullopt;
    return ExpectedShard{{}, *key};
  }
  const std::string& label(std::uint32_t) const override { return vdisk_; }

  // A store that has nothing while others have was emptied: what it had is not known either.
  unsigned unseen(const shard::Geometry& geometry) const override {
    auto blind = std::count_if(parts_.begin(), parts_.end(), [](const Part& part) {
      return !part.failure.empty() || part.keys == 0;
    });
    return std::min<unsigned>(static_cast<unsigned>(blind), geometry.total());
  }
  std::vector<std::string> problems() const override {
    std::vector<std::string> problems;
    for (const Part& part : parts_) {
      if (!part.failure.empty()) {
        problems.push_back(fmt::format("{}: {}", part.store->name(), part.failure));
      } else if (part.keys == 0) {
        problems.push_back(
            fmt::format("{}: has no shards of vdisk '{}'", part.store->name(), vdisk_));
      }
    }
    return problems;
  }
  const std::string& name() const override { return name_; }

 private:
  struct Part {
    store::Store* store = nullptr;
    std::deque<std::string> page{};
    std::string after{};  // the last key that was listed
    bool ended = false;
    std::uint64_t keys = 0;
    std::string failure{};
  };

  // Lists on until there are shards' keys, or nothing more.
  bool fill(Part& part) {
    while (part.page.empty() && !part.ended && part.failure.empty()) {
      walk::Gather<std::vector<std::string>> gather(1);
      part.store->scan(format::key_prefix(vdisk_), part.after, kPageKeys, gather.slot(0));
      auto answers = gather.wait({}, walk::kAnswerGrace, kListTimeout);
      if (!answers[0] || !*answers[0]) {
        part.failure = answers[0] ? answers[0]->error().message() : "no answer in time";
        return false;
      }
      std::vector<std::string>& keys = **answers[0];
      part.ended = keys.size() < kPageKeys;
      if (!keys.empty()) part.after = keys.back();
      for (std::string& key : keys) {
        if (format::parse_shard_key(vdisk_, key)) part.page.push_back(std::move(key));
      }
    }
    return !part.page.empty();
  }

  const std::string vdisk_;
  const std::string name_;
  std::vector<Part> parts_;
  std::size_t turn_ = 0;
  std::uint64_t counted_ = 0;
};

// The names between "tlog:" and the next colon in one store; each listing jumps over one vdisk.
void add_names(store::Store& store, std::set<std::string>& names) {
  constexpr std::string_view kRoot = "tlog:";
  std::string after;
  for (;;) {
    walk::Gather<std::vector<std::string>> gather(1);
    store.scan(std::string(kRoot), after, 1, gather.slot(0));
    auto answers = gather.wait({}, walk::kAnswerGrace, kListTimeout);
    if (!answers[0] || !*answers[0] || (**answers[0]).empty()) return;
    const std::string& key = (**answers[0]).front();
    const auto end = key.find(':', kRoot.size());
    if (end == std::string::npos) {  // not of a vdisk
      after = key;
      continue;
    }
    std::string name = key.substr(kRoot.size(), end - kRoot.size());
    after = fmt::format("{}{}:\xff", kRoot, name);
    if (after <= key) return;
    if (!config::is_valid_name(name)) continue;
    names.insert(std::move(name));
  }
}

}  // namespace

Result<std::unique_ptr<ShardPile>> make_store_pile(const OpenStores& stores,
                                                   const std::string& cluster,
                                                   const std::string& vdisk) {
  auto pile = std::make_unique<StorePile>(stores, cluster, vdisk);
  TLOG_TRY(pile->check());
  return std::unique_ptr<ShardPile>(std::move(pile));
}

Result<std::vector<std::string>> stored_vdisks(const config::Config& config,
                                               const std::string& cluster,
                                               const SourceEnvironment& environment) {
  const config::Cluster* found = config.find_cluster(cluster);
  if (found == nullptr) {
    return fail(Code::kInvalidArgument,
                fmt::format("{}: no cluster '{}' in the configuration", config.path, cluster));
  }
  std::set<std::string> names;
  for (const std::string& directory : found->directories) {
    auto entries = environment.files.list(directory);
    if (!entries) continue;
    for (const io::DirectoryEntry& entry : *entries) {
      if (entry.is_directory && config::is_valid_name(entry.name)) names.insert(entry.name);
    }
  }
  if (!found->servers.empty()) {
    config::Vdisk any;
    any.tlog.cluster = cluster;
    TLOG_ASSIGN(auto stores, OpenStores::open(config, any, environment));
    for (store::Store* store : stores->pointers()) add_names(*store, names);
  }
  return std::vector<std::string>(names.begin(), names.end());
}

}  // namespace tlog::player
