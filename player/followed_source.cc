#include "player/followed_source.h"

#include <fmt/format.h>

#include "gateways/cas/frame_check.h"
#include "player/restore_run.h"
#include "tlog/walk/chain.h"
#include "tlog/walk/log_place.h"
#include "tlog/walk/read_ahead.h"

namespace tlog::player {
namespace {

constexpr unsigned kFetchers = 8;

}  // namespace

Result<std::unique_ptr<FollowedSource>> FollowedSource::open(const Parts& parts,
                                                             const std::string& key_file) {
  std::unique_ptr<FollowedSource> source(new FollowedSource(parts));
  const SourceEnvironment& environment = parts.environment;
  TLOG_ASSIGN(auto key, seal::MasterKey::load(environment.files, key_file));
  source->key_ = std::make_unique<seal::MasterKey>(std::move(key));
  source->sealer_ = std::make_unique<seal::Sealer>(*source->key_, environment.random);
  TLOG_ASSIGN(source->loop_, io::make_loop({.thread_name = "tlogplay-ring"}, environment.logger));
  TLOG_TRY(source->loop_->start());
  start_workers(source->workers_);
  source->fetchers_.start(kFetchers, "tlogplay-fetch");
  return source;
}

FollowedSource::~FollowedSource() {
  if (loop_) end_reader();
  if (!loop_) return;
  workers_.stop();
  fetchers_.stop();
  loop_->stop();
}

// Until nobody asks for a content, nor handles the answer of one.
void FollowedSource::end_reader() {
  reader_.reset();
  in_flight_.wait_for_none();
  io::run_on(*loop_, [] {});
}

FollowedStoreParts FollowedSource::store_parts() {
  return {.index = parts_.index,
          .places = &places_,
          .workers = &fetchers_,
          .loop = loop_.get(),
          .in_flight = &in_flight_,
          .slow = &slow_,
          .vdisk = vdisk_};
}

Status FollowedSource::refresh() {
  // Of a walk that has ended early.
  in_flight_.wait_for_none();
  TLOG_TRY(parts_.index->refresh());
  if (reader_ && told_ == parts_.index->head_bytes()) return {};
  end_reader();
  TLOG_ASSIGN(places_, find_places(*parts_.index));
  if (places_.count() == 0) return {};
  TLOG_TRY(open_reader());
  told_ = parts_.index->head_bytes();
  return {};
}

Status FollowedSource::open_reader() {
  TLOG_ASSIGN(format::Metadata metadata, metadata_without_tip());
  vdisk_ = metadata.format.name;
  TLOG_TRY(walk::check_key(metadata, *sealer_));
  TLOG_ASSIGN(const auto tip, find_tip(metadata));
  metadata.last = {tip};
  const auto bytes = std::make_shared<const Buffer>(format::encode_metadata(metadata));
  store_ = make_followed_store(store_parts(), bytes);
  walk::LogReader::Parts reader;
  reader.vdisk = vdisk_;
  reader.stores = {store_.get()};
  reader.sealer = sealer_.get();
  reader.workers = &workers_;
  reader.logger = &parts_.environment.logger;
  TLOG_ASSIGN(reader_, walk::LogReader::open(std::move(reader)));
  return {};
}

// What the newest epoch's opening says, of a log that is cut 1+0.
Result<format::Metadata> FollowedSource::metadata_without_tip() {
  TLOG_ASSIGN(const std::string frame, parts_.index->content(places_.newest_opening));
  TLOG_TRY(cas::check_frame(parts_.index->piece(places_.newest_opening), frame));
  TLOG_ASSIGN(const Buffer payload, frame_payload(frame, "follow: opening"));
  TLOG_ASSIGN(format::Metadata metadata, format::decode_metadata(payload.span()));
  if (metadata.format.vdisk != parts_.index->head().vdisk) {
    return fail(Code::kCorruption, "follow: opening: it is of another vdisk than its page says");
  }
  TLOG_TRY(check_whole(metadata.format));
  if (format_ && (format_->size != metadata.format.size ||
                  format_->block_size != metadata.format.block_size)) {
    return fail(
        Code::kCorruption,
        fmt::format("follow: opening: the vdisk has {} bytes now, and had {}: a vdisk keeps "
                    "its size for ever",
                    metadata.format.size, format_->size));
  }
  format_ = metadata.format;
  metadata.format.data_shards = 1;
  metadata.format.parity_shards = 0;
  for (format::EpochEntry& epoch : metadata.epochs) epoch.write_quorum = 0;
  return metadata;
}

Result<format::AggregationReference> FollowedSource::find_tip(const format::Metadata& metadata) {
  const AggregationNumber number = places_.count();
  std::shared_ptr<store::Store> store =
      make_followed_store(store_parts(), std::make_shared<const Buffer>());
  const auto place = std::make_shared<const walk::LogPlace>(
      metadata.format, std::vector<store::Store*>{store.get()}, store);
  walk::ReadAhead ahead(place, *sealer_, workers_);
  ahead.start(walk::epoch_of(metadata, number), number);
  walk::Found found = ahead.next();
  in_flight_.wait_for_none();
  if (!found.visited) return fail(found.visited.error().within("follow"));
  return walk::reference_of(found.visited->opened);
}

}  // namespace tlog::player
