// File: tlog/flush/core_status.cc
// What a log writer says of itself, to any thread.
#include <fmt/format.h>

#include "tlog/flush/core.h"

namespace tlog::flush {
namespace {

constexpr std::uint64_t kSlowAnswerNs = 2'000'000'000;

// Why nothing gets into the store now; "" when it does.
std::string unreachable(const LaneState& lane, const store::Store& store, std::uint64_t now_ns) {
  if (lane.failing) return lane.reason;
  if (lane.waiting_since_ns == 0) return "";
  // What was given to a server that is not there may wait for a while before it fails.
  const store::StoreStatus status = store.status();
  if (!status.usable) return status.condition;
  if (now_ns <= lane.waiting_since_ns + kSlowAnswerNs) return "";
  return fmt::format("no answer for {} s", (now_ns - lane.waiting_since_ns) / 1'000'000'000);
}

}  // namespace

void Core::refresh_status() {
  MutexLock lock(status_mutex_);
  status_.committed = committed_;
  status_.in_flight = uncommitted_;
  status_.missing_shards = missing_ + repair_->missing();
  status_.doubtful_shards = repair_->doubtful();
  status_.left.resize(parts_.stores.size());
  for (std::size_t i = 0; i < status_.left.size(); ++i) status_.left[i] = repair_->left(i);
  scrubs_->describe(status_);
  status_.hinted_bytes = parts_.hinted ? parts_.hinted->bytes() : 0;
  lanes_->describe(lane_states_);
  oldest_ = uncommitted_ > 0 ? committed_ + 1 : 0;
}

LogWriterStatus Core::status() const {
  LogWriterStatus answer;
  std::vector<LaneState> lanes;
  AggregationNumber oldest = 0;
  {
    MutexLock lock(status_mutex_);
    answer = status_;
    oldest = oldest_;
    if (oldest != 0) lanes = lane_states_;
  }
  answer.buffered_bytes = buffered_bytes_.load();
  if (oldest == 0) return answer;
  const std::uint64_t now_ns = parts_.clock->monotonic_ns();
  unsigned reachable = 0;
  std::string reasons;
  for (unsigned i = 0; i < geometry_.total(); ++i) {
    const std::size_t store = walk::store_of(oldest, i, lanes.size());
    const std::string why = unreachable(lanes[store], *parts_.stores[store], now_ns);
    if (why.empty()) {
      ++reachable;
    } else {
      reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", lanes[store].name, why);
    }
  }
  if (reachable < write_quorum_) {
    answer.waiting_for = fmt::format("{} of {} stores reachable, {} needed: {}", reachable,
                                     geometry_.total(), write_quorum_, reasons);
  }
  return answer;
}

}  // namespace tlog::flush
