#include "player/scan_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "player/folder_pile.h"
#include "player/frame_pile.h"
#include "player/store_pile.h"

namespace tlog::player {

namespace {

// Which vdisk of a cluster is meant when none is named.
Result<std::string> only_vdisk_of(const std::string& cluster, const ScanSource::Parts& parts) {
  TLOG_ASSIGN(std::vector<std::string> names,
              stored_vdisks(parts.config, cluster, parts.environment));
  if (names.size() == 1) return names.front();
  std::string list;
  for (const std::string& name : names) list += " " + name;
  return fail(names.empty() ? Code::kNotFound : Code::kInvalidArgument,
              fmt::format("recover: cluster {}: its stores keep{}; name one with --vdisk", cluster,
                          list.empty() ? " nothing of any vdisk" : list));
}

// What was missing may be the reason.
Error with_problems(const Error& error, const ShardPile& pile) {
  std::string message = error.message();
  for (const std::string& problem : pile.problems()) message += "; cannot be used: " + problem;
  return Error(error.code(), message);
}

}  // namespace

Status ScanSource::open_key(const ScanRequest& request, const Parts& parts) {
  const std::string& path = request.key_file.empty() ? parts.config.key_file : request.key_file;
  if (path.empty()) {
    return fail(Code::kInvalidArgument,
                "recover: no key; give --key-file, or a configuration with --config");
  }
  TLOG_ASSIGN(auto key, seal::MasterKey::load(parts.environment.files, path));
  key_ = std::make_unique<seal::MasterKey>(std::move(key));
  sealer_ = std::make_unique<seal::Sealer>(*key_, parts.environment.random);
  return {};
}

Status ScanSource::open_pile(const ScanRequest& request, const Parts& parts) {
  if (request.cluster.empty()) {
    TLOG_ASSIGN(loop_,
                io::make_loop({.mode = parts.config.journal.io, .thread_name = "tlogplay-ring"},
                              parts.environment.logger));
    TLOG_TRY(loop_->start());
    if (!request.logset.empty()) {
      TLOG_ASSIGN(FramePile found,
                  make_frame_pile(request.logset, parts.environment.files, *loop_));
      pile_ = std::move(found.pile);
      formats_ = std::move(found.formats);
      return {};
    }
    TLOG_ASSIGN(pile_, make_folder_pile(request.shards, parts.environment.files, *loop_));
    return {};
  }
  config::Vdisk vdisk;
  vdisk.name = request.vdisk;
  vdisk.tlog.cluster = request.cluster;
  if (vdisk.name.empty()) {
    TLOG_ASSIGN(vdisk.name, only_vdisk_of(request.cluster, parts));
  }
  TLOG_ASSIGN(stores_, OpenStores::open(parts.config, vdisk, parts.environment));
  TLOG_ASSIGN(pile_, make_store_pile(*stores_, request.cluster, vdisk.name));
  return {};
}

Status ScanSource::choose(const ScanRequest& request, const Parts& parts) {
  TLOG_ASSIGN(survey_, survey_shards(*pile_, {"scanning", parts.progress, parts.stop}));
  TLOG_ASSIGN(VdiskChoice choice, choose_vdisk(survey_, *pile_, request.vdisk, request.uuid));
  std::erase_if(survey_.vdisks, [&](const auto& vdisk) { return vdisk.first != choice.uuid; });
  ShardIndex& index = survey_.vdisks.begin()->second.index;
  index.finish();
  TLOG_TRY(shard::check(index.geometry()));
  found_.pile = pile_.get();
  found_.odd = &survey_.odd;
  found_.loop = stores_ ? &stores_->loop() : loop_.get();
  found_.uuid = choice.uuid;
  found_.vdisk = choice.name.empty() ? choice.uuid.text() : choice.name;
  found_.geometry = index.geometry();
  return {};
}

LostShards ScanSource::lost_shards() const {
  LostShards shards;
  for (const ShardSurvey::Lost& lost : survey_.lost) {
    if (lost.uuid.is_nil() || lost.uuid == found_.uuid) ++shards[{lost.number, lost.epoch}];
  }
  return shards;
}

const FoundShard* ScanSource::find(const format::ShardKey& of, unsigned shard) const {
  auto chosen = std::lower_bound(chain_.chosen.begin(), chain_.chosen.end(), of.number,
                                 [](const Candidate& candidate, AggregationNumber number) {
                                   return candidate.number < number;
                                 });
  bool known =
      chosen != chain_.chosen.end() && chosen->number == of.number && chosen->epoch == of.epoch;
  return known ? index().find(*chosen, shard) : nullptr;
}

// The metadata that the vdisk would have, as far as its shards tell it.
Status ScanSource::make_reader(std::uint64_t size, std::uint32_t block_size, const Parts& parts) {
  format::Metadata metadata;
  metadata.generation = 1;
  metadata.format.vdisk = found_.uuid;
  metadata.format.name = found_.vdisk;
  metadata.format.size = size;
  metadata.format.block_size = block_size;
  metadata.format.data_shards = static_cast<std::uint8_t>(found_.geometry.data);
  metadata.format.parity_shards = static_cast<std::uint8_t>(found_.geometry.parity);
  metadata.epochs = chain_.epochs;
  metadata.last = {chain_.tip};
  metadata.key_id.assign(key_->id().bytes.begin(), key_->id().bytes.end());
  found_.metadata = std::make_shared<const Buffer>(format::encode_metadata(metadata));
  found_stores_ = make_found_stores(
      found_, [this](const format::ShardKey& of, unsigned shard) { return find(of, shard); });
  walk::LogReader::Parts reader;
  reader.vdisk = found_.vdisk;
  for (auto& store : found_stores_) reader.stores.push_back(store.get());
  reader.sealer = sealer_.get();
  reader.workers = &workers_;
  reader.logger = &parts.environment.logger;
  TLOG_ASSIGN(reader_, walk::LogReader::open(std::move(reader)));
  return {};
}

Result<std::unique_ptr<ScanSource>> ScanSource::open(const ScanRequest& request,
                                                     const Parts& parts) {
  std::unique_ptr<ScanSource> source(new ScanSource());
  if (request.size == 0 && parts.config.vdisks.empty() && request.logset.empty()) {
    return fail(Code::kInvalidArgument,
                "recover: the vdisk's size is in no shard; give it with --size, or a configuration "
                "that has the vdisk with --config");
  }
  TLOG_TRY(source->open_key(request, parts));
  TLOG_TRY(source->open_pile(request, parts));
  TLOG_TRY(source->choose(request, parts));
  const config::Vdisk* known = parts.config.find_vdisk(source->found_.vdisk);
  const auto told = source->formats_.find(source->found_.uuid);
  const bool is_told = told != source->formats_.end();
  const std::uint64_t size = request.size != 0 ? request.size
                             : is_told         ? told->second.size
                             : known           ? known->size
                                               : 0;
  if (size == 0) {
    return fail(Code::kInvalidArgument,
                fmt::format("recover: vdisk '{}' ({}): its size is in no shard and no "
                            "configuration; give it with --size",
                            source->found_.vdisk, source->found_.uuid.text()));
  }
  start_workers(source->workers_);
  ScanChainParts chain;
  chain.index = &source->index();
  chain.found = source->found_;
  chain.sealer = source->sealer_.get();
  chain.workers = &source->workers_;
  chain.lost = source->lost_shards();
  auto found = find_chain(chain);
  if (!found) return fail(with_problems(found.error(), *source->pile_));
  source->chain_ = std::move(*found);
  const std::uint32_t block_size = is_told ? told->second.block_size
                                   : known ? known->block_size
                                           : 4096;
  TLOG_TRY(source->make_reader(size, block_size, parts));
  return source;
}

ScanSource::~ScanSource() {
  reader_.reset();
  io::Loop* loop = stores_ ? &stores_->loop() : loop_.get();
  // An answer that is being handled there may still ask for another shard.
  if (loop != nullptr && pile_) io::run_on(*loop, [] {});
  workers_.stop();
  if (pile_) pile_->stop();
  if (loop_) loop_->stop();
}

}  // namespace tlog::player
