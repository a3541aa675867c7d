// File: tlog/walk/fetch.cc
#include "tlog/walk/fetch.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/walk/shard_check.h"

namespace tlog::walk {

std::shared_ptr<Fetch> Fetch::start(std::shared_ptr<const LogPlace> place, Epoch epoch,
                                    AggregationNumber number, Run run, Done done) {
  std::shared_ptr<Fetch> fetch(
      new Fetch(std::move(place), epoch, number, std::move(run), std::move(done)));
  fetch->begin();
  return fetch;
}

Fetch::Fetch(std::shared_ptr<const LogPlace> place, Epoch epoch, AggregationNumber number, Run run,
             Done done)
    : place_(std::move(place)),
      epoch_(epoch),
      number_(number),
      key_(format::shard_key(place_->vdisk, epoch, number)),
      run_(std::move(run)),
      done_(std::move(done)),
      slots_(place_->geometry.total()) {
  // Data shards come first because decoding them copies nothing; stores that just failed come last.
  for (unsigned i = 0; i < slots_.size(); ++i) order_.push_back(i);
  std::stable_sort(order_.begin(), order_.end(),
                   [this](unsigned a, unsigned b) { return poor(a).load() < poor(b).load(); });
}

void Fetch::begin() {
  Next next;
  {
    MutexLock lock(mutex_);
    next = decide(0);
  }
  act(std::move(next));
}

unsigned Fetch::count(State state) const {
  return static_cast<unsigned>(std::count_if(
      slots_.begin(), slots_.end(), [state](const Slot& slot) { return slot.state == state; }));
}

Fetch::Next Fetch::decide(unsigned extra) {
  Next next;
  if (finished_) return next;
  const unsigned k = place_->geometry.data;
  const unsigned good = static_cast<unsigned>(best_group().size());
  const unsigned arrived = count(State::kArrived);
  unsigned asked = count(State::kAsked);
  if (!verifying_ && good < k && good + arrived >= k) next.verify = verifying_ = true;

  unsigned wanted = k + extra;
  for (unsigned index : order_) {
    if (good + arrived + asked >= wanted) break;
    if (slots_[index].state != State::kNotAsked) continue;
    slots_[index].state = State::kAsked;
    next.ask.push_back(index);
    ++asked;
  }
  if (!verifying_ && asked == 0) {
    // Nobody is left to ask. The verifier has the last word on what is here, so that the counts are
    // true.
    if (arrived > 0) {
      next.verify = verifying_ = true;
    } else {
      next.fail = true;
    }
  }
  return next;
}

void Fetch::act(Next next) {
  if (!next.ask.empty()) {
    const LogPlace::Use use(*place_);
    if (!use) return;
    for (unsigned index : next.ask) {
      store(index).get(key_, [self = shared_from_this(), index](Result<Buffer> value) {
        self->reply(index, std::move(value));
      });
    }
  }
  if (next.verify) run_([self = shared_from_this()] { self->verify(); });
  if (next.fail) finish_failed();
}

void Fetch::reply(unsigned index, Result<Buffer> value) {
  Next next;
  {
    MutexLock lock(mutex_);
    Slot& slot = slots_[index];
    if (finished_ || place_->closed() || slot.state != State::kAsked) return;
    poor(index).store(!value);
    if (value) {
      slot.state = State::kArrived;
      slot.value = std::move(*value);
    } else {
      refused(index, value.error());
    }
    next = decide(0);
  }
  act(std::move(next));
}

void Fetch::refused(unsigned index, const Error& error) {
  Slot& slot = slots_[index];
  const Code code = error.code();
  slot.state = code == Code::kNotFound     ? State::kAbsent
               : code == Code::kCorruption ? State::kWrong
                                           : State::kUnreachable;
  slot.why = slot.state == State::kAbsent ? "absent" : error.message();
  if (slot.state != State::kUnreachable) return;
  const LogPlace::Use use(*place_);
  slot.emptied = use && place_->answers_as_emptied(store_of(number_, index, place_->stores.size()));
}

void Fetch::verify_one(unsigned index, Slot& slot) const {
  auto view = check_shard(*place_, {epoch_, number_, index}, slot.value.span());
  slot.state = view ? State::kIntact : State::kWrong;
  if (view) {
    slot.view = *view;
  } else {
    slot.why = view.error().message();
  }
}

// The largest set of intact shards that agree on what they are shards of.
std::vector<unsigned> Fetch::best_group() const {
  std::vector<unsigned> best;
  for (unsigned first = 0; first < slots_.size(); ++first) {
    if (slots_[first].state != State::kIntact) continue;
    std::vector<unsigned> group;
    for (unsigned i = first; i < slots_.size(); ++i) {
      if (slots_[i].state == State::kIntact &&
          slots_[i].view.identity == slots_[first].view.identity &&
          slots_[i].view.sealed_length == slots_[first].view.sealed_length) {
        group.push_back(i);
      }
    }
    if (group.size() > best.size()) best = std::move(group);
    if (best.size() >= place_->geometry.data) break;
  }
  return best;
}

void Fetch::verify() {
  std::vector<std::pair<unsigned, Slot>> arrived;
  {
    MutexLock lock(mutex_);
    if (finished_) return;
    for (unsigned i = 0; i < slots_.size(); ++i) {
      if (slots_[i].state != State::kArrived) continue;
      arrived.emplace_back(i, std::move(slots_[i]));
      slots_[i].state = State::kArrived;
    }
  }
  for (auto& [index, slot] : arrived) verify_one(index, slot);  // the checksums, without the lock

  Next next;
  std::vector<unsigned> chosen;
  {
    MutexLock lock(mutex_);
    verifying_ = false;
    for (auto& [index, slot] : arrived) slots_[index] = std::move(slot);
    if (finished_ || place_->closed()) return;
    chosen = best_group();
    if (chosen.size() >= place_->geometry.data) {
      finished_ = true;  // late answers find nothing to do
    } else {
      next = decide(0);
    }
  }
  if (chosen.size() >= place_->geometry.data) {
    finish_decoded(chosen);
  } else {
    act(std::move(next));
  }
}

FetchCounts Fetch::counts() const {
  const LogPlace::Use use(*place_);
  FetchCounts counts;
  for (unsigned i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    switch (slot.state) {
      case State::kIntact:
        ++counts.intact;
        continue;
      case State::kAbsent:
        ++counts.absent;
        counts.bad.push_back({store_of(number_, i, place_->stores.size()), false});
        break;
      case State::kWrong:
        ++counts.wrong;
        counts.bad.push_back({store_of(number_, i, place_->stores.size()), true});
        break;
      case State::kUnreachable:
        ++counts.unreachable;
        if (slot.emptied) counts.emptied.push_back(store_of(number_, i, place_->stores.size()));
        break;
      default:
        continue;
    }
    counts.why += fmt::format("{}{}: shard {}: {}", counts.why.empty() ? "" : "; ",
                              use ? store(i).name() : "a store that was closed", i, slot.why);
  }
  return counts;
}

void Fetch::finish_decoded(const std::vector<unsigned>& chosen) {
  Fetched fetched;
  FetchCounts counted;
  Done done;
  std::vector<shard::ShardView> views;
  {
    MutexLock lock(mutex_);
    counted = counts();
    done = std::move(done_);
    for (unsigned i : chosen) {
      if (views.size() == place_->geometry.data) break;
      views.push_back(slots_[i].view);
      fetched.stored_bytes += slots_[i].value.size();
      fetched.values.push_back(std::move(slots_[i].value));
    }
  }
  if (!done) return;  // cancelled
  fetched.identity = views.front().identity;
  fetched.sealed_length = views.front().sealed_length;
  fetched.shards_bad = counted.absent + counted.wrong + counted.unreachable;
  auto decoded = shard::decode(views);
  if (!decoded) return done(fail(std::move(decoded).error()), std::move(counted));
  fetched.decoded = std::move(*decoded);
  done(std::move(fetched), std::move(counted));
}

void Fetch::finish_failed() {
  Done done;
  FetchCounts counted;
  std::size_t agreeing = 0;
  {
    MutexLock lock(mutex_);
    if (finished_) return;
    finished_ = true;
    done = std::move(done_);
    counted = counts();
    agreeing = best_group().size();
  }
  if (!done) return;
  const unsigned k = place_->geometry.data;
  Code code = agreeing + counted.unreachable >= k && counted.unreachable > 0 ? Code::kUnavailable
                                                                             : Code::kCorruption;
  done(fail(code, fmt::format("{} of {} needed shards are readable: {}", agreeing, k, counted.why)),
       counted);
}

void Fetch::hedge() {
  Next next;
  {
    MutexLock lock(mutex_);
    if (finished_ || verifying_) return;
    unsigned slow = count(State::kAsked);
    if (slow == 0) return;
    for (unsigned i = 0; i < slots_.size(); ++i) {
      if (slots_[i].state == State::kAsked) poor(i).store(true);
    }
    next = decide(slow);
  }
  act(std::move(next));
}

void Fetch::give_up() {
  Next next;
  {
    MutexLock lock(mutex_);
    if (finished_) return;
    for (Slot& slot : slots_) {
      if (slot.state != State::kAsked && slot.state != State::kNotAsked) continue;
      slot.state = State::kUnreachable;
      slot.why = "no answer in time";
    }
    next = decide(0);
  }
  act(std::move(next));
}

void Fetch::cancel() {
  Done done;
  MutexLock lock(mutex_);
  finished_ = true;
  done = std::move(done_);
}

}  // namespace tlog::walk
