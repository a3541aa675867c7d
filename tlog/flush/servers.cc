// File: tlog/flush/servers.cc
#include "tlog/flush/servers.h"

#include <fmt/format.h>

#include <algorithm>

namespace tlog::flush {
namespace {

// Looked after on a server that was restarted while nobody wrote.
constexpr AggregationNumber kDoubtfulMax = 1024;

}  // namespace

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
  server.restarted = server.restarted || event.restarted;
  // Whoever opens the vdisk next does not believe a mark that the metadata does not know.
  if (started_ && (before.server != now.server || before.since != now.since)) {
    server.unrecorded = ++marks_;
    hold_or_not(store);
  }
  if (before != now) parts_.changed();
  if (started_) look_after(store);
}

// Whatever the server may lack of what was committed is looked up, and put again.
void Servers::look_after(std::size_t store) {
  Server& server = servers_[store];
  const AggregationNumber committed = hands_.committed();
  const bool is_new = std::exchange(server.wiped, false);
  if (is_new || (records_[store].rebuilding && hands_.repair->has_nothing_for(store))) {
    parts_.logger->warning(
        fmt::format("event=store_rebuilding vdisk={} store=\"{}\" aggregations={}",
                    parts_.place->vdisk, name(store), committed));
    hands_.repair->add_doubtful(store, 1, committed);
    hands_.keeper->forget(store);
  } else if (server.restarted) {
    hands_.repair->add_doubtful(store, committed - std::min(committed, kDoubtfulMax) + 1,
                                committed);
  }
  server.restarted = false;
  hands_.repair->go_on();
  repaired();
}

bool Servers::may_rebuild(std::size_t store) const {
  unsigned missing = 0;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const bool rebuilding = i < records_.size() && records_[i].rebuilding;
    if (i == store || servers_[i].wiped || rebuilding) ++missing;
  }
  return missing <= parts_.place->geometry.parity;
}

void Servers::wiped(std::size_t store) {
  Server& server = servers_[store];
  if (!server.wiped) {
    parts_.logger->error(fmt::format("event=store_wiped vdisk={} store=\"{}\" action={}",
                                     parts_.place->vdisk, name(store),
                                     may_rebuild(store) ? "rebuilding" : "\"not used\""));
  }
  server.wiped = true;
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

void Servers::start(Hands hands) {
  hands_ = std::move(hands);
  started_ = true;
  for (std::size_t i = 0; i < records_.size(); ++i) {
    if (records_[i].rebuilding || servers_[i].restarted) look_after(i);
  }
  for (const auto& [store, event] : std::exchange(early_, {})) take(store, event);
}

void Servers::repaired() {
  if (!started_ || stopped_) return;
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
    changed = true;
  }
  if (changed) parts_.changed();
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
