// File: tlog/flush/lanes.cc
#include "tlog/flush/lanes.h"

#include <fmt/format.h>

namespace tlog::flush {

Lanes::Lanes(Parts parts) : parts_(std::move(parts)), lanes_(parts_.stores.size()) {}

void Lanes::enqueue(std::size_t store, AggregationNumber number, unsigned index,
                    std::shared_ptr<PutItem> item) {
  lanes_[store].queued.emplace(number, Owed{.index = index, .item = std::move(item)});
}

void Lanes::forget(std::size_t store, AggregationNumber number) {
  lanes_[store].queued.erase(number);
}

void Lanes::pump() {
  for (std::size_t i = 0; i < lanes_.size(); ++i) pump(i);
}

void Lanes::pump(std::size_t store) {
  Lane& lane = lanes_[store];
  if (stopped_ || lane.pumping || !lane.held.empty())
    return;  // a store that answers at once calls back into here
  lane.pumping = true;
  while (!lane.queued.empty() && !stopped_) {
    if (lane.failing && !lane.trial) break;
    if (lane.in_flight_bytes >= parts_.lane_bytes_max) {
      parts_.stores[store]->hurry();  // more is waiting than may be gathered
      break;
    }
    lane.trial = false;
    auto first = lane.queued.begin();
    AggregationNumber number = first->first;
    Owed owed = std::move(first->second);
    lane.queued.erase(first);
    issue(store, number, std::move(owed));
  }
  lane.pumping = false;
}

void Lanes::issue(std::size_t store, AggregationNumber number, Owed owed) {
  Lane& lane = lanes_[store];
  lane.in_flight.emplace(number, parts_.clock->monotonic_ns());
  lane.in_flight_bytes += owed.item->set.shard_bytes();
  ++owed.item->in_flight;
  const PutItem& item = *owed.item;
  parts_.stores[store]->put(item.key, item.set.pieces(owed.index), {.urgent = item.urgent},
                            [self = shared_from_this(), store, number, owed](Status status) {
                              self->put_answered(store, number, owed, status);
                            });
}

void Lanes::put_answered(std::size_t store, AggregationNumber number, const Owed& owed,
                         const Status& status) {
  Lane& lane = lanes_[store];
  --owed.item->in_flight;
  lane.in_flight.erase(number);
  lane.in_flight_bytes -= owed.item->set.shard_bytes();
  if (stopped_) return;
  // What a store confirms while it is held does not count: it is put again.
  const bool counts = status.has_value() && lane.held.empty();
  if (!counts) lane.queued.emplace(number, owed);
  note_health(store, status);
  parts_.answered(number, owed.index, counts);
  pump(store);
}

void Lanes::note_health(std::size_t store, const Status& status) {
  Lane& lane = lanes_[store];
  if (status) {
    lane.backoff.reset();
    lane.reason.clear();
    if (!lane.failing) return;
    parts_.logger->info(fmt::format("event=store_works_again vdisk={} store=\"{}\"", parts_.vdisk,
                                    parts_.stores[store]->name()));
    lane.failing = lane.trial = false;
    if (lane.timer != 0) parts_.loop->cancel_timer(lane.timer);
    lane.timer = 0;
    parts_.usable(store);
    return;
  }
  if (!lane.failing) {
    parts_.logger->warning(
        fmt::format("event=store_fails vdisk={} store=\"{}\" action=retrying reason=\"{}\"",
                    parts_.vdisk, parts_.stores[store]->name(), status.error().message()));
  }
  lane.failing = true;
  lane.trial = false;
  lane.reason = status.error().message();
  if (lane.timer != 0) return;  // others of the same breakdown
  lane.timer = parts_.loop->add_timer(lane.backoff.next_ns(*parts_.random),
                                      [self = shared_from_this(), store] {
                                        Lane& waiting = self->lanes_[store];
                                        waiting.timer = 0;
                                        if (self->stopped_) return;
                                        waiting.trial = true;
                                        self->pump(store);
                                        self->parts_.usable(store);
                                      });
}

bool Lanes::may_try(std::size_t store) const {
  return !stopped_ && (!lanes_[store].failing || lanes_[store].trial);
}

void Lanes::report(std::size_t store, const Status& status) {
  if (stopped_) return;
  note_health(store, status);
  pump(store);
}

void Lanes::hold(std::size_t store, std::string reason) {
  if (stopped_) return;
  lanes_[store].held = std::move(reason);
  pump(store);
}

void Lanes::hurry() {
  if (stopped_) return;
  for (store::Store* store : parts_.stores) store->hurry();
}

void Lanes::stop() {
  stopped_ = true;
  for (Lane& lane : lanes_) {
    if (lane.timer != 0) parts_.loop->cancel_timer(lane.timer);
    lane.timer = 0;
    lane.queued.clear();
  }
}

std::vector<AggregationNumber> Lanes::owed(std::size_t store) const {
  std::vector<AggregationNumber> numbers;
  for (const auto& [number, owed] : lanes_[store].queued) numbers.push_back(number);
  for (const auto& [number, since] : lanes_[store].in_flight) numbers.push_back(number);
  return numbers;
}

void Lanes::describe(std::vector<LaneState>& states) const {
  if (states.empty()) {
    for (store::Store* store : parts_.stores)
      states.push_back({.name = store->name(), .reason = {}});
  }
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    const Lane& lane = lanes_[i];
    const std::string& reason = lane.held.empty() ? lane.reason : lane.held;
    states[i].failing = failing(i);
    if (states[i].reason != reason) states[i].reason = reason;
    states[i].waiting_since_ns = lane.in_flight.empty() ? 0 : lane.in_flight.begin()->second;
  }
}

}  // namespace tlog::flush
