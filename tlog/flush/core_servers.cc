// What servers that are wiped, restarted or new mean for a writer.
#include <fmt/format.h>

#include <bit>

#include "tlog/flush/core.h"
#include "tlog/walk/chain.h"

namespace tlog::flush {

void Core::enroll(Epoch epoch, std::function<void()> all_told) {
  servers_ = std::make_shared<Servers>(
      Servers::Parts{.place = place_,
                     .epoch_of = epoch_of_,
                     .loop = parts_.loop,
                     .random = parts_.random,
                     .logger = parts_.logger,
                     .changed =
                         [weak = weak_from_this()] {
                           if (auto self = weak.lock()) self->note_servers();
                         },
                     .fenced =
                         [weak = weak_from_this()](const std::string& by) {
                           if (auto self = weak.lock()) self->fenced(by);
                         },
                     .write_quorum = write_quorum_},
      metadata_.servers);
  servers_->enroll(epoch, std::move(all_told));
}

// The vdisk's record of its servers goes where the next opening finds it, whatever is lost here.
void Core::note_servers() {
  if (stopped_) return;
  metadata_.servers = servers_->records();
  walk::expect_servers(metadata_, parts_.stores);
  if (!lanes_) return;  // before the start the claim does it
  publish_metadata([weak = std::weak_ptr(servers_), marks = servers_->marks()] {
    if (auto servers = weak.lock()) servers->recorded(marks);
  });
}

// For good: what this writer still puts counts nowhere.
void Core::fenced(const std::string& by) {
  if (stopped_) return;
  parts_.logger->error(fmt::format("event=fenced vdisk={} reason=\"{}\" committed={} lost={}",
                                   metadata_.format.name, by, committed_, uncommitted_));
  {
    MutexLock lock(status_mutex_);
    status_.fenced = by;
  }
  stop_with(Error(Code::kFenced, fmt::format("another writer has taken the vdisk over: {}", by)));
  if (parts_.on_fenced) parts_.on_fenced(by);
}

void Core::start_servers() {
  if (!servers_) return;
  servers_->start(
      {.lanes = lanes_,
       .repair = repair_,
       .keeper = keeper_,
       .committed = [this] { return committed_; },
       .newest = [this] { return pending_.empty() ? committed_ : pending_.rbegin()->first; },
       .take_back = [this](std::size_t store,
                           AggregationNumber number) { return take_back(store, number); },
       .take_back_all = [this](std::size_t store) { take_back_all(store); },
       .suspect = [this](std::size_t store, bool is_suspect) { suspect(store, is_suspect); }});
}

// The store has lost this shard after it had confirmed it: it is owed again, and what has not
// committed needs it, or another, anew.
bool Core::take_back(std::size_t store, AggregationNumber number) {
  auto found = pending_.find(number);
  if (found == pending_.end()) return false;
  Pending& pending = found->second;
  for (unsigned i = 0; i < geometry_.total(); ++i) {
    const std::uint32_t bit = std::uint32_t{1} << i;
    if (walk::store_of(number, i, parts_.stores.size()) != store || (pending.stored & bit) == 0) {
      continue;
    }
    pending.stored &= ~bit;
    if (pending.committed) ++missing_;
    lanes_->enqueue(store, number, i, pending.item);
  }
  return true;
}

void Core::suspect(std::size_t store, bool is_suspect) {
  if (is_suspect) {
    suspects_.insert(store);
  } else if (suspects_.erase(store) > 0 && !stopped_) {
    commit_what_is_ready();
  }
}

// Stores that have a shard of it for certain.
unsigned Core::confirmations(AggregationNumber number, const Pending& pending) const {
  unsigned count = static_cast<unsigned>(std::popcount(pending.stored));
  if (suspects_.empty()) return count;
  for (unsigned i = 0; i < geometry_.total(); ++i) {
    const std::size_t store = walk::store_of(number, i, parts_.stores.size());
    const bool is_stored = ((pending.stored >> i) & 1U) != 0;
    if (is_stored && suspects_.contains(store)) --count;
  }
  return count;
}

void Core::take_back_all(std::size_t store) {
  for (const auto& [number, pending] : pending_) take_back(store, number);
  refresh_status();
}

}  // namespace tlog::flush
