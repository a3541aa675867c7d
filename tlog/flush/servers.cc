// File: tlog/flush/servers.cc
#include "tlog/flush/servers.h"

#include <fmt/format.h>

#include <algorithm>

namespace tlog::flush {
Servers::Servers(Parts parts, std::vector<format::ServerEntry> records)
    : parts_(std::move(parts)),
      records_(std::move(records)),
      servers_(parts_.place->stores.size()) {}

void Servers::enroll(Epoch epoch, std::function<void()> all_told) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    store::ServerIdentity* identity = parts_.place->stores[i]->identity();
    if (identity == nullptr) {
      servers_[i].told = true;
      continue;
    }
    ++count;
    identity->enroll(epoch, [weak = weak_from_this(), i](const store::ServerEvent& event) {
      if (auto self = weak.lock(); self && !self->stopped_) self->event(i, event);
    });
  }
  if (count == 0) return all_told();
  records_.resize(servers_.size());
  all_told_ = std::move(all_told);
}

Status Servers::check_different() const {
  for (std::size_t i = 0; i < records_.size(); ++i) {
    for (std::size_t j = i + 1; j < records_.size(); ++j) {
      if (records_[i].server.is_nil() || records_[i].server != records_[j].server) continue;
      return fail(Code::kInvalidArgument,
                  fmt::format("{} and {} are the same server and database ({}), so that one loss "
                              "would be two; give each store a server of its own",
                              name(i), name(j), records_[i].server.text()));
    }
  }
  return {};
}

void Servers::event(std::size_t store, const store::ServerEvent& event) {
  if (started_ || event.kind == store::ServerEvent::Kind::kFenced) {
    take(store, event);
  } else if (event.kind == store::ServerEvent::Kind::kEnrolled ||
             event.kind == store::ServerEvent::Kind::kWiped) {
    take(store, event);
  } else {
    early_.emplace_back(store, event);
  }
  servers_[store].told = true;
  if (all_told_ && std::all_of(servers_.begin(), servers_.end(),
                               [](const Server& server) { return server.told; })) {
    std::exchange(all_told_, {})();
  }
}

void Servers::take(std::size_t store, const store::ServerEvent& event) {
  switch (event.kind) {
    case store::ServerEvent::Kind::kEnrolled:
      return enrolled(store, event);
    case store::ServerEvent::Kind::kRestarted:
      return restarted(store, event.doubt);
    case store::ServerEvent::Kind::kWiped:
      return wiped(store);
    case store::ServerEvent::Kind::kFenced:
      return fenced(store, event.by);
    case store::ServerEvent::Kind::kUnreachable:
      return;
  }
}

void Servers::enrolled(std::size_t store, const store::ServerEvent& event) {
  Server& server = servers_[store];
  const format::ServerEntry now{.server = event.server.server,
                                .since = event.server.since,
                                .address = event.server.address,
                                .rebuilding = event.server.rebuilding || server.wiped};
  const format::ServerEntry before = std::exchange(records_[store], now);
  if (!before.server.is_nil() && before.address != now.address) {
    parts_.logger->info(fmt::format("event=server_moved vdisk={} store=\"{}\" server={} from={}",
                                    parts_.place->vdisk, name(store), now.server.text(),
                                    before.address));
  }
  // Whoever opens the vdisk next does not believe a mark that the metadata does not know.
  if (claimed_ && (before.server != now.server || before.since != now.since)) {
    server.unrecorded = ++marks_;
    if (started_) hold_or_not(store);
  }
  if (before != now) parts_.changed();
  if (event.restarted && server.unsettled != event.run) {
    server.unsettled = event.run;
    server.search_due = true;
  }
  if (started_ && event.doubt == 0) search_if_due(store);
  if (started_) look_after(store);
}

// What a restarted server has lost are the newest of what it was told, and that is not always the
// newest of the log: repair may have put old ones at that time.
void Servers::search(std::size_t store) {
  hands_.repair->add_doubtful(store, 1, hands_.committed());
}

// Behind the verification, which asks only for what is not doubtful anyway.
void Servers::search_if_due(std::size_t store) {
  if (std::exchange(servers_[store].search_due, false)) search(store);
}

// An emptied server gets everything again that was committed.
void Servers::look_after(std::size_t store) {
  Server& server = servers_[store];
  const bool is_new = std::exchange(server.wiped, false);
  if (is_new || (records_[store].rebuilding && !server.filling)) {
    parts_.logger->warning(
        fmt::format("event=store_rebuilding vdisk={} store=\"{}\" aggregations={}",
                    parts_.place->vdisk, name(store), hands_.committed()));
    server.filling = true;
    search(store);
    hands_.keeper->forget(store);
  }
  hands_.repair->go_on();
  repaired();
}

bool Servers::may_rebuild(std::size_t store) const {
  unsigned missing = 0;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if (i == store || servers_[i].wiped || is_being_rebuilt(i)) ++missing;
  }
  return missing <= parts_.place->geometry.parity;
}

bool Servers::is_being_rebuilt(std::size_t store) const {
  return store < records_.size() && records_[store].rebuilding && !servers_[store].whole;
}

std::vector<std::size_t> Servers::in_the_way() const {
  bool is_stuck = false;
  std::vector<std::size_t> rebuilding;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if (servers_[i].wiped) {
      is_stuck = is_stuck || !may_rebuild(i);
    } else if (is_being_rebuilt(i)) {
      rebuilding.push_back(i);
    }
  }
  if (!is_stuck) rebuilding.clear();
  return rebuilding;
}

// The record stays until repair, which looks for itself, has nothing to do there.
void Servers::found_whole(std::size_t store) {
  servers_[store].whole = true;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if (servers_[i].wiped && may_rebuild(i)) parts_.place->stores[i]->identity()->readopt();
  }
}

void Servers::wiped(std::size_t store) {
  Server& server = servers_[store];
  server.whole = false;
  if (!server.wiped) {
    parts_.logger->error(fmt::format("event=store_wiped vdisk={} store=\"{}\" action={}",
                                     parts_.place->vdisk, name(store),
                                     may_rebuild(store) ? "rebuilding" : "\"not used\""));
  }
  server.wiped = true;
  server.filling = false;
  if (started_) {
    end_doubt(store);
    hands_.take_back_all(store);
  }
  if (may_rebuild(store)) parts_.place->stores[store]->identity()->readopt();
}

// One closed store is only one store less: its closer may have failed. With too many nothing can be
// committed any more.
void Servers::fenced(std::size_t store, const std::string& by) {
  if (!std::exchange(servers_[store].fenced, true)) {
    parts_.logger->warning(fmt::format("event=store_fenced vdisk={} store=\"{}\" by=\"{}\"",
                                       parts_.place->vdisk, name(store), by));
  }
  const auto left = std::count_if(servers_.begin(), servers_.end(),
                                  [](const Server& server) { return !server.fenced; });
  if (static_cast<unsigned>(left) < parts_.write_quorum) parts_.fenced(by);
}

void Servers::end_doubt(std::size_t store) {
  Server& server = servers_[store];
  if (!server.doubt) return;
  if (server.doubt->verification) server.doubt->verification->stop();
  server.doubt.reset();
  hands_.suspect(store, false);
  hold_or_not(store);
}

void Servers::hold_or_not(std::size_t store) {
  const Server& server = servers_[store];
  hands_.lanes->hold(store,
                     server.doubt ? "it was restarted, and what it had confirmed is being verified"
                     : server.unrecorded != 0
                         ? "it was emptied, and that it is used again is not on enough stores yet"
                         : "");
}

void Servers::recorded(std::uint64_t marks) {
  if (stopped_ || !started_) return;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if (servers_[i].unrecorded == 0 || servers_[i].unrecorded > marks) continue;
    servers_[i].unrecorded = 0;
    hold_or_not(i);
  }
}

void Servers::restarted(std::size_t store, std::uint64_t doubt) {
  end_doubt(store);
  parts_.logger->warning(fmt::format("event=store_restarted vdisk={} store=\"{}\" action=verifying",
                                     parts_.place->vdisk, name(store)));
  hands_.keeper->forget(store);
  Verification::Parts parts{
      .place = parts_.place,
      .store = store,
      .key =
          [vdisk = parts_.place->vdisk, epoch_of = parts_.epoch_of](AggregationNumber number) {
            return format::shard_key(vdisk, epoch_of(number), number);
          },
      .unconfirmed = {},
      .newest = hands_.newest(),
      .loop = parts_.loop,
      .random = parts_.random,
      .done =
          [weak = weak_from_this(), store](const NumberSet& lost) {
            if (auto self = weak.lock(); self && !self->stopped_) self->verified(store, lost);
          },
  };
  hands_.repair->collect(store, parts.unconfirmed);
  for (AggregationNumber number : hands_.lanes->owed(store)) parts.unconfirmed.insert(number);
  auto verification = std::make_shared<Verification>(std::move(parts));
  servers_[store].doubt = Doubt{.number = doubt, .verification = verification, .lost = {}};
  hands_.suspect(store, true);
  hold_or_not(store);
  verification->start();
}

void Servers::verified(std::size_t store, const NumberSet& lost) {
  Doubt& doubt = *servers_[store].doubt;
  doubt.is_verified = true;
  for (const auto& [first, last] : lost.runs()) {
    for (AggregationNumber number = first; number <= last; ++number) {
      if (hands_.take_back(store, number)) continue;
      hands_.repair->add_missing(store, number);
      doubt.lost.insert(number);
    }
  }
  parts_.logger->info(fmt::format("event=store_verified vdisk={} store=\"{}\" lost={}",
                                  parts_.place->vdisk, name(store), lost.count()));
  hands_.suspect(store, false);
  search_if_due(store);
  hands_.repair->go_on();
  try_to_vouch(store);
}

void Servers::try_to_vouch(std::size_t store) {
  std::optional<Doubt>& doubt = servers_[store].doubt;
  if (!doubt || !doubt->is_verified) return;
  while (!doubt->lost.empty()) {
    const AggregationNumber number = *doubt->lost.next(0);
    if (hands_.repair->lacks(store, number)) return;
    doubt->lost.erase(number);
  }
  parts_.place->stores[store]->identity()->vouch(doubt->number);
  end_doubt(store);
}

bool Servers::is_doubted_early(std::size_t store) const {
  return std::any_of(early_.begin(), early_.end(), [store](const auto& early) {
    return early.first == store && early.second.kind == store::ServerEvent::Kind::kRestarted;
  });
}

void Servers::start(Hands hands) {
  hands_ = std::move(hands);
  started_ = true;
  for (std::size_t i = 0; i < records_.size(); ++i) {
    if (!is_doubted_early(i)) search_if_due(i);
    if (records_[i].rebuilding) look_after(i);
    hold_or_not(i);
  }
  if (marks_ > 0) parts_.changed();  // of servers that were marked behind the claim
  for (const auto& [store, event] : std::exchange(early_, {})) take(store, event);
}

void Servers::repaired() {
  if (!started_ || stopped_) return;
  settle_what_is_done();
  bool changed = false;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    try_to_vouch(i);
    if (i >= records_.size() || !records_[i].rebuilding || servers_[i].wiped ||
        !hands_.repair->has_nothing_for(i)) {
      continue;
    }
    parts_.logger->info(
        fmt::format("event=store_rebuilt vdisk={} store=\"{}\"", parts_.place->vdisk, name(i)));
    records_[i].rebuilding = false;
    servers_[i].filling = false;
    changed = true;
  }
  if (changed) parts_.changed();
}

void Servers::settle_what_is_done() {
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    Server& server = servers_[i];
    if (server.unsettled.empty() || server.doubt || server.wiped || server.search_due) continue;
    if (!hands_.repair->has_nothing_for(i)) continue;
    parts_.place->stores[i]->identity()->settle(std::exchange(server.unsettled, {}));
  }
}

void Servers::stop() {
  if (std::exchange(stopped_, true)) return;
  for (store::Store* store : parts_.place->stores) {
    if (store->identity() != nullptr) store->identity()->retire();
  }
  for (Server& server : servers_) {
    if (server.doubt && server.doubt->verification) server.doubt->verification->stop();
  }
}

}  // namespace tlog::flush
