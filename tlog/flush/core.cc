// File: tlog/flush/core.cc
#include "tlog/flush/core.h"

#include <fmt/format.h>

#include <bit>
#include <utility>

#include "tlog/base/assert.h"
#include "tlog/walk/log_place.h"

namespace tlog::flush {
namespace {

constexpr std::size_t kReferencesKept = 5;
// The head hint is renewed this often, so that the next opening probes little further than this.
constexpr AggregationNumber kMetadataEvery = 64;
constexpr std::uint64_t kSlowAnswerNs = 2'000'000'000;

}  // namespace

Core::Core(LogWriter::Parts parts, format::Metadata metadata, AggregationNumber committed)
    : parts_(std::move(parts)),
      geometry_(walk::geometry_of(metadata.format)),
      metadata_(std::move(metadata)),
      committed_(committed),
      published_(committed) {
  keeper_ = std::make_shared<MetadataKeeper>(
      MetadataKeeper::Parts{.vdisk = metadata_.format.name,
                            .stores = parts_.stores,
                            .quorum = walk::metadata_quorum(parts_.stores.size(), geometry_),
                            .loop = parts_.loop,
                            .random = parts_.random});
}

void Core::make_lanes() {
  // One store that does not answer must not hold all the memory.
  const std::uint64_t lane_bytes_max =
      std::max<std::uint64_t>(1, parts_.buffered_bytes_max / 4 * 3 / geometry_.total());
  lanes_ = std::make_shared<Lanes>(Lanes::Parts{
      .stores = parts_.stores,
      .loop = parts_.loop,
      .clock = parts_.clock,
      .random = parts_.random,
      .lane_bytes_max = lane_bytes_max,
      .answered =
          [weak = weak_from_this()](AggregationNumber number, unsigned index, bool stored) {
            if (auto self = weak.lock()) self->put_answered(number, index, stored);
          },
      .usable = [](std::size_t) {},
  });
}

void Core::claim(std::function<void()> on_quorum) { keeper_->publish(metadata_, std::move(on_quorum)); }

void Core::start() {
  make_lanes();
  refresh_status();
}

void Core::append(shard::ShardSet shards, format::AggregationReference reference, bool urgent,
                  std::function<void(Status)> done) {
  if (stopped_ || closing_) return done(fail(Code::kShutdown, "append: the log writer is closed"));
  const AggregationNumber number = reference.number;
  TLOG_ASSERT(number == (pending_.empty() ? committed_ : std::max(committed_, pending_.rbegin()->first)) + 1);
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
  }
  commit_what_is_ready();
  if (stored) release(number);
  refresh_status();
  try_to_finish_closing(false);
}

void Core::commit_what_is_ready() {
  const int quorum = static_cast<int>(walk::write_quorum(geometry_));
  for (;;) {
    auto next = pending_.find(committed_ + 1);
    if (next == pending_.end() || std::popcount(next->second.stored) < quorum) return;
    ++committed_;
    next->second.committed = true;
    --uncommitted_;
    missing_ += geometry_.total() - static_cast<unsigned>(std::popcount(next->second.stored));
    note_committed(next->second.reference);
    std::function<void(Status)> done = std::move(next->second.done);
    release(committed_);
    done({});
  }
}

// Drops an aggregation that is on all its stores and committed.
void Core::release(AggregationNumber number) {
  auto found = pending_.find(number);
  if (found == pending_.end() || !found->second.committed) return;
  if (std::popcount(found->second.stored) < static_cast<int>(geometry_.total())) return;
  buffered_bytes_ -= found->second.bytes;
  pending_.erase(found);
  if (full_ && may_append()) {
    full_ = false;
    if (parts_.on_room) parts_.on_room();
  }
}

void Core::note_committed(const format::AggregationReference& reference) {
  metadata_.last.push_back(reference);
  if (metadata_.last.size() > kReferencesKept) metadata_.last.erase(metadata_.last.begin());
  if (committed_ - published_ >= kMetadataEvery) publish_metadata({});
}

void Core::publish_metadata(std::function<void()> on_quorum) {
  ++metadata_.generation;
  published_ = committed_;
  keeper_->publish(metadata_, std::move(on_quorum));
}

bool Core::nothing_under_way() const {
  if (uncommitted_ > 0) return false;
  for (std::size_t i = 0; i < parts_.stores.size(); ++i) {
    if (!lanes_->failing(i) && !lanes_->idle(i)) return false;
  }
  return true;
}

void Core::close(std::uint64_t deadline_ns, std::function<void()> done) {
  if (stopped_ || closing_) return done();
  closing_ = true;
  closed_ = std::move(done);
  lanes_->hurry();
  const std::uint64_t now = parts_.clock->monotonic_ns();
  close_timer_ = parts_.loop->add_timer(deadline_ns > now ? deadline_ns - now : 0,
                                        [self = shared_from_this()] {
                                          self->close_timer_ = 0;
                                          self->try_to_finish_closing(true);
                                        });
  try_to_finish_closing(false);
}

// Two steps: what is under way, then the metadata; the deadline ends both.
void Core::try_to_finish_closing(bool deadline_passed) {
  if (!closing_ || stopped_) return;
  if (!finishing_ && (deadline_passed || nothing_under_way())) {
    finishing_ = true;
    publish_metadata([weak = weak_from_this()] {
      if (auto self = weak.lock()) self->finish_closing();
    });
  }
  if (deadline_passed) finish_closing();
}

void Core::finish_closing() {
  if (stopped_) return;
  if (close_timer_ != 0) parts_.loop->cancel_timer(close_timer_);
  auto self = shared_from_this();
  stop();
}

void Core::stop() {
  if (stopped_) return;
  stopped_ = true;
  if (lanes_) lanes_->stop();
  keeper_->stop();
  std::vector<std::function<void(Status)>> unanswered;
  for (auto& [number, pending] : pending_) {
    if (pending.done) unanswered.push_back(std::move(pending.done));
  }
  pending_.clear();
  for (auto& done : unanswered) {
    done(fail(Code::kShutdown, "append: the log writer was closed before the stores had it"));
  }
  if (closed_) std::exchange(closed_, {})();
}

void Core::refresh_status() {
  MutexLock lock(status_mutex_);
  status_.committed = committed_;
  status_.in_flight = uncommitted_;
  status_.missing_shards = missing_;
  lanes_->describe(lane_states_);
  oldest_ = uncommitted_ > 0 ? committed_ + 1 : 0;
}

LogWriterStatus Core::status() const {
  MutexLock lock(status_mutex_);
  LogWriterStatus answer = status_;
  answer.buffered_bytes = buffered_bytes_.load();
  if (oldest_ == 0) return answer;
  const std::uint64_t now = parts_.clock->monotonic_ns();
  unsigned reachable = 0;
  std::string reasons;
  for (unsigned i = 0; i < geometry_.total(); ++i) {
    const LaneState& lane = lane_states_[walk::store_of(oldest_, i, lane_states_.size())];
    std::string reason = lane.reason;
    if (!lane.failing && lane.waiting_since_ns != 0 && now > lane.waiting_since_ns + kSlowAnswerNs) {
      reason = fmt::format("no answer for {} s", (now - lane.waiting_since_ns) / 1'000'000'000);
    } else if (!lane.failing) {
      ++reachable;
      continue;
    }
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", lane.name, reason);
  }
  const unsigned needed = walk::write_quorum(geometry_);
  if (reachable < needed) {
    answer.waiting_for = fmt::format("{} of {} stores reachable, {} needed: {}", reachable, geometry_.total(),
                                     needed, reasons);
  }
  return answer;
}

}  // namespace tlog::flush
