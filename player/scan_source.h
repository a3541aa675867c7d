// File: player/scan_source.h
// The log of one vdisk from its shards alone: no metadata, no index pages, no epoch table. Opened
// in two steps: every shard is read and filed (shard_survey.h), then the chain among them is found
// (scan_chain.h); what comes out is a LogReader like any other, with all of its checks.
//
// Threading: one thread. Memory: 32 bytes a shard and an aggregation. Errors: those of the survey,
// the choice of the vdisk and the chain, each naming the remedy.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "player/scan_chain.h"
#include "player/shard_survey.h"
#include "player/source.h"
#include "tlog/seal/key.h"

namespace tlog::player {

struct ScanRequest {
  std::string cluster;     // or
  std::string shards;      // a folder, or
  std::string logset;      // a directory of logs that came by logset
  std::string vdisk;       // a name (of the configuration, or of the files), a uuid, or ""
  std::string uuid;        // "" or which one of those that had the name
  std::string key_file;    // "": the configuration's
  std::uint64_t size = 0;  // 0: the configuration's
};

class ScanSource {
 public:
  struct Parts {                   // borrowed
    const config::Config& config;  // an empty one when there is none
    const SourceEnvironment& environment;
    Progress& progress;
    const std::atomic<bool>& stop;
  };
  static Result<std::unique_ptr<ScanSource>> open(const ScanRequest& request, const Parts& parts);
  ~ScanSource();

  walk::LogReader& reader() { return *reader_; }
  const std::string& vdisk() const { return found_.vdisk; }
  const ShardSurvey& survey() const { return survey_; }
  const ShardIndex& index() const { return survey_.vdisks.begin()->second.index; }
  const ScanChain& chain() const { return chain_; }
  std::vector<std::string> problems() const { return pile_->problems(); }

 private:
  ScanSource() = default;
  Status open_key(const ScanRequest& request, const Parts& parts);
  Status open_pile(const ScanRequest& request, const Parts& parts);
  Status choose(const ScanRequest& request, const Parts& parts);
  Status make_reader(std::uint64_t size, std::uint32_t block_size, const Parts& parts);
  LostShards lost_shards() const;
  const FoundShard* find(const format::ShardKey& of, unsigned shard) const;

  // In this order: what comes later uses what comes earlier, also while it ends.
  std::vector<std::unique_ptr<store::Store>> found_stores_;
  ShardSurvey survey_;
  ScanChain chain_;
  FoundStoreParts found_;
  std::unique_ptr<ShardPile> pile_;
  std::map<Uuid, format::VdiskFormat> formats_;  // as the pile knows them; only of a logset
  std::unique_ptr<io::Loop> loop_;               // of a folder's pile
  std::unique_ptr<OpenStores> stores_;           // of a cluster's
  std::unique_ptr<seal::MasterKey> key_;
  std::unique_ptr<seal::Sealer> sealer_;
  io::Workers workers_;
  std::unique_ptr<walk::LogReader> reader_;
};

}  // namespace tlog::player
