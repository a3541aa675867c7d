// File: tlog/walk/read_ahead.cc
#include "tlog/walk/read_ahead.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>

#include "tlog/base/assert.h"
#include "tlog/base/clock.h"

namespace tlog::walk {
namespace {

// A store that has not answered for so long is not waited for any more when others can help ...
constexpr std::chrono::milliseconds kHedgeAfter{500};
// ... and counts as unreachable after so long.
constexpr std::chrono::seconds kGiveUpAfter{10};

}  // namespace

struct ReadAhead::State {
  explicit State(const seal::Sealer& borrowed) : sealer(borrowed) {}

  bool enter() {
    MutexLock lock(mutex);
    if (cancelled) return false;
    ++busy;
    return true;
  }
  void leave() {
    MutexLock lock(mutex);
    --busy;
    changed.notify_all();
  }

  const seal::Sealer& sealer;  // touched between enter() and leave() only
  Mutex mutex;
  CondVar changed;
  bool cancelled GUARDED_BY(mutex) = false;
  unsigned busy GUARDED_BY(mutex) = 0;
};

struct ReadAhead::Slot {
  std::shared_ptr<Fetch> fetch;  // of the starting thread
  std::optional<Found> found;    // guarded by the state's mutex
};

namespace {

Result<Visited> open_fetched(const seal::Sealer& sealer, const LogPlace& place, Fetched fetched) {
  const seal::Expected expected{
      .vdisk = place.uuid, .epoch = fetched.identity.epoch, .number = fetched.identity.number};
  TLOG_ASSIGN(auto opened, sealer.open(fetched.decoded.pieces, expected));
  if (opened.hash != fetched.identity.aggregation_hash) {
    return fail(Code::kCorruption,
                fmt::format("its shards name the hash {}, its contents have {}",
                            fetched.identity.aggregation_hash.hex(), opened.hash.hex()));
  }
  return Visited{.opened = std::move(opened),
                 .stored_bytes = fetched.stored_bytes,
                 .shards_bad = fetched.shards_bad};
}

}  // namespace

ReadAhead::ReadAhead(std::shared_ptr<const LogPlace> place, const seal::Sealer& sealer,
                     io::Workers& workers)
    : place_(std::move(place)), workers_(workers), state_(std::make_shared<State>(sealer)) {}

ReadAhead::~ReadAhead() {
  {
    MutexLock lock(state_->mutex);
    state_->cancelled = true;
  }
  for (auto& slot : slots_) slot->fetch->cancel();
  MutexLock lock(state_->mutex);
  while (state_->busy > 0) state_->changed.wait(state_->mutex);
}

void ReadAhead::start(Epoch epoch, AggregationNumber number) {
  auto slot = std::make_shared<Slot>();
  Run run = [state = state_, &workers = workers_](std::function<void()> task) {
    // The reader may go away while a store still owes an answer: then nothing of its is touched.
    if (!state->enter()) return;
    workers.submit([state, task = std::move(task)] {
      if (!state->enter()) return;
      task();
      state->leave();
    });
    state->leave();
  };
  auto done = [state = state_, slot, place = place_](Result<Fetched> fetched, FetchCounts counts) {
    Result<Visited> visited = fetched ? open_fetched(state->sealer, *place, std::move(*fetched))
                                      : Result<Visited>(fail(std::move(fetched).error()));
    MutexLock lock(state->mutex);
    slot->found.emplace(Found{std::move(visited), std::move(counts)});
    state->changed.notify_all();
  };
  slots_.push_back(slot);
  slot->fetch = Fetch::start(place_, epoch, number, std::move(run), std::move(done));
}

Found ReadAhead::next() {
  TLOG_ASSERT(!slots_.empty());
  std::shared_ptr<Slot> slot = std::move(slots_.front());
  slots_.pop_front();
  const auto start = steady_now();
  auto wait_until = [&](std::chrono::steady_clock::time_point deadline) {
    MutexLock lock(state_->mutex);
    while (!slot->found) {
      if (!state_->changed.wait_until(state_->mutex, deadline) && steady_now() >= deadline) break;
    }
    return slot->found.has_value();
  };
  if (!wait_until(start + kHedgeAfter)) slot->fetch->hedge();
  if (!wait_until(start + kGiveUpAfter)) slot->fetch->give_up();
  MutexLock lock(state_->mutex);
  while (!slot->found) state_->changed.wait(state_->mutex);  // the workers' last steps
  Found found = std::move(*slot->found);
  slot->found.reset();
  return found;
}

}  // namespace tlog::walk
