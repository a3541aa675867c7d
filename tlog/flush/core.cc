// File: tlog/flush/core.cc
#include "tlog/flush/core.h"

#include <fmt/format.h>

#include <bit>

#include "tlog/base/assert.h"
#include "tlog/walk/chain.h"

namespace tlog::flush {
namespace {

constexpr std::size_t kReferencesKept = 5;
// The head hint is renewed this often, so that the next opening probes little further than this.
constexpr AggregationNumber kMetadataEvery = 64;

// Somebody may still be reading what the epoch before wrote: the one before that.
std::optional<Epoch> epoch_to_forget(const std::vector<format::EpochEntry>& epochs) {
  if (epochs.size() < 2) return std::nullopt;
  return epochs.size() == 2 ? 0 : epochs[epochs.size() - 3].epoch;
}

}  // namespace

Core::Core(LogWriter::Parts parts, format::Metadata metadata, AggregationNumber committed)
    : parts_(std::move(parts)),
      geometry_(walk::geometry_of(metadata.format)),
      write_quorum_(walk::write_quorum(geometry_, parts_.write_quorum)),
      metadata_(std::move(metadata)),
      place_(std::make_shared<walk::LogPlace>(metadata_.format, parts_.stores)),
      epoch_of_([metadata = std::make_shared<const format::Metadata>(metadata_)](
                    AggregationNumber number) { return walk::epoch_of(*metadata, number); }),
      completed_(std::make_shared<HintedStores>(metadata_.format.name, parts_.stores, *parts_.loop,
                                                parts_.hinted)),
      read_place_(
          std::make_shared<walk::LogPlace>(metadata_.format, completed_->stores(), completed_)),
      committed_(committed),
      published_(committed) {
  const std::vector<format::EpochEntry>& epochs = metadata_.epochs;
  keeper_ = std::make_shared<MetadataKeeper>(MetadataKeeper::Parts{
      .vdisk = metadata_.format.name,
      .epoch = epochs.empty() ? 0 : epochs.back().epoch,
      .forget = epoch_to_forget(epochs),
      .stores = parts_.stores,
      .quorum = walk::metadata_quorum(parts_.stores.size(), geometry_, write_quorum_),
      .loop = parts_.loop,
      .random = parts_.random});
}

void Core::make_lanes() {
  // One store that does not answer must not hold all the memory.
  const std::uint64_t lane_bytes_max =
      std::max<std::uint64_t>(1, parts_.buffered_bytes_max / 4 * 3 / geometry_.total());
  lanes_ = std::make_shared<Lanes>(Lanes::Parts{
      .vdisk = metadata_.format.name,
      .stores = parts_.stores,
      .logger = parts_.logger,
      .loop = parts_.loop,
      .clock = parts_.clock,
      .random = parts_.random,
      .lane_bytes_max = lane_bytes_max,
      .answered =
          [weak = weak_from_this()](AggregationNumber number, unsigned index, bool stored) {
            if (auto self = weak.lock()) self->put_answered(number, index, stored);
          },
      .usable =
          [weak = weak_from_this()](std::size_t) {
            if (auto self = weak.lock(); self && self->repair_) self->repair_->go_on();
          },
  });
}

walk::Run Core::run() const {
  if (parts_.workers == nullptr) return [](const std::function<void()>& task) { task(); };
  // Who is still at it when the writer has ended gives nothing more to workers that may have gone.
  return [workers = parts_.workers, place = place_](std::function<void()> task) {
    if (const walk::LogPlace::Use use(*place); use) workers->submit(std::move(task));
  };
}

void Core::make_repair() {
  repair_ = std::make_shared<Repair>(Repair::Parts{
      .place = place_,
      .read_place = read_place_,
      .hinted = parts_.hinted,
      .epoch_of = epoch_of_,
      .lanes = lanes_,
      .loop = parts_.loop,
      .random = parts_.random,
      .logger = parts_.logger,
      .run = run(),
      .changed =
          [weak = weak_from_this()] {
            auto self = weak.lock();
            if (!self || self->stopped_) return;
            self->hints_give_back();
            self->refresh_status();
            self->hints_changed();
            if (self->servers_) self->servers_->repaired();
          },
      .came_back =
          [weak = weak_from_this()](std::size_t store, AggregationNumber number, bool replaced) {
            auto self = weak.lock();
            if (self && !self->stopped_) self->scrubs_->came_back(store, number, replaced);
          },
  });
}

void Core::make_pages() {
  pages_ = std::make_shared<Pages>(
      Pages::Parts{
          .place = place_,
          .epoch_of = epoch_of_,
          .sealer = parts_.sealer,
          .quorum = walk::metadata_quorum(parts_.stores.size(), geometry_, write_quorum_),
          .loop = parts_.loop,
          .random = parts_.random,
          .logger = parts_.logger,
          .run = run(),
          .written =
              [weak = weak_from_this()](std::uint64_t pages) {
                auto self = weak.lock();
                if (!self || self->stopped_ || pages <= self->metadata_.index_pages) return;
                self->metadata_.index_pages = pages;
                self->publish_metadata({});
              },
      },
      metadata_.index_pages, committed_);
}

void Core::make_scrubs() {
  scrubs_ = std::make_unique<Scrubs>(Scrub::Parts{
      .place = place_,
      .epoch_of = epoch_of_,
      .lanes = lanes_,
      .loop = parts_.loop,
      .clock = parts_.clock,
      .logger = parts_.logger,
      .run = run(),
      .writing =
          [weak = weak_from_this()] {
            auto self = weak.lock();
            return self && self->uncommitted_ > 0;
          },
      .found =
          [weak = weak_from_this()](std::size_t store, AggregationNumber number, bool wrong) {
            auto self = weak.lock();
            if (!self || self->stopped_) return;
            if (wrong) {
              self->repair_->add_wrong(store, number);
            } else {
              self->repair_->add_missing(store, number);
            }
            self->repair_->go_on();
            self->hints_changed();
          },
      .changed =
          [weak = weak_from_this()] {
            if (auto self = weak.lock(); self && !self->stopped_) self->refresh_status();
          },
  });
}

Status Core::scrub(const ScrubOptions& options) {
  if (stopped_ || closing_) return fail(Code::kShutdown, "scrub: the log writer is closed");
  // Of those in memory some shards are still on their way.
  const AggregationNumber last =
      pending_.empty() ? committed_ : std::min(committed_, pending_.begin()->first - 1);
  return scrubs_->start(options, last);
}

void Core::end_background_scrub() {
  if (!stopped_) scrubs_->end_background();
}

void Core::claim(std::function<void()> on_quorum) {
  if (servers_) servers_->claim_begins();
  keeper_->publish(metadata_, std::move(on_quorum));
}

void Core::start(std::unique_ptr<HintsFile> hints) {
  hints_file_ = std::move(hints);
  make_lanes();
  make_repair();
  make_pages();
  make_scrubs();
  take_hints();
  refresh_status();
  start_servers();
  repair_->go_on();
  pages_->go_on();
}

void Core::append(shard::ShardSet shards, format::AggregationReference reference, bool urgent,
                  std::function<void(Status)> done) {
  if (stopped_ || closing_) {
    buffered_bytes_ -= shards.shard_bytes() * geometry_.total();
    return done(fail(Code::kShutdown, "append: the log writer is closed"));
  }
  const AggregationNumber number = reference.number;
  TLOG_ASSERT(number ==
              (pending_.empty() ? committed_ : std::max(committed_, pending_.rbegin()->first)) + 1);
  TLOG_ASSERT(shards.geometry() == geometry_ && shards.identity().number == number);
  const std::uint64_t bytes = shards.shard_bytes() * geometry_.total();
  auto item = std::make_shared<PutItem>(
      std::move(shards), format::shard_key(metadata_.format.name, reference.epoch, number), urgent);
  pending_.emplace(number, Pending{.item = item,
                                   .reference = std::move(reference),
                                   .bytes = bytes,
                                   .done = std::move(done)});
  ++uncommitted_;
  for (unsigned i = 0; i < geometry_.total(); ++i) {
    lanes_->enqueue(walk::store_of(number, i, parts_.stores.size()), number, i, item);
  }
  lanes_->pump();
  full_ = full_ || !may_append();
  // Whoever waits for this one waits for those before it too, which may be gathering.
  if (urgent || full_) lanes_->hurry();
  refresh_status();
}

void Core::put_answered(AggregationNumber number, unsigned index, bool stored) {
  auto found = pending_.find(number);
  if (stopped_ || found == pending_.end()) return;
  if (stored) {
    found->second.stored |= std::uint32_t{1} << index;
    if (found->second.committed) --missing_;
    if (parts_.hinted) parts_.hinted->forget(name_of(*found, index));
    hints_give_back();
  }
  commit_what_is_ready();
  if (stored) release(number);
  keep_to_the_budget();
  refresh_status();
  try_to_finish_closing(false);
}

void Core::commit_what_is_ready() {
  std::vector<std::function<void(Status)>> ready;
  for (;;) {
    auto next = pending_.find(committed_ + 1);
    if (next == pending_.end() || confirmations(next->first, next->second) < write_quorum_) break;
    ++committed_;
    next->second.committed = true;
    --uncommitted_;
    committed_bytes_ += next->second.bytes;
    missing_ += geometry_.total() - static_cast<unsigned>(std::popcount(next->second.stored));
    note_committed(next->second.reference);
    ready.push_back(std::move(next->second.done));
    release(committed_);
  }
  if (ready.empty()) return;
  refresh_status();  // who is told finds it there
  for (auto& done : ready) done({});
}

// Drops an aggregation that is on all its stores and committed.
void Core::release(AggregationNumber number) {
  auto found = pending_.find(number);
  if (found == pending_.end() || !found->second.committed) return;
  if (std::popcount(found->second.stored) < static_cast<int>(geometry_.total())) return;
  forget_memory(found);
}

void Core::forget_memory(std::map<AggregationNumber, Pending>::iterator pending) {
  committed_bytes_ -= pending->second.bytes;
  buffered_bytes_ -= pending->second.bytes;
  pending_.erase(pending);
  if (full_ && may_append()) {
    full_ = false;
    if (parts_.on_room) parts_.on_room();
  }
}

void Core::note_committed(const format::AggregationReference& reference) {
  metadata_.last.push_back(reference);
  if (metadata_.last.size() > kReferencesKept) metadata_.last.erase(metadata_.last.begin());
  if (committed_ - published_ >= kMetadataEvery) publish_metadata({});
  pages_->add(reference);
  hints_changed();
}

void Core::publish_metadata(std::function<void()> on_quorum) {
  ++metadata_.generation;
  metadata_.complete = complete();
  published_ = committed_;
  keeper_->publish(metadata_, std::move(on_quorum));
}

}  // namespace tlog::flush
