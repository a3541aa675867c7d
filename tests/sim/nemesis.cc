#include "tests/sim/nemesis.h"

#include <fmt/format.h>

#include <utility>

namespace tlog::sim {
namespace {

enum Kind : unsigned { kKill, kWipe, kStop, kCutOff, kFull, kSlow, kRot, kKinds };

}  // namespace

SimNemesis::SimNemesis(World& world, Network& network, Model* model, ScenarioCounts& counts,
                       Broken broken, Limits limits)
    : world_(world),
      network_(network),
      model_(model),
      counts_(counts),
      broken_(broken),
      limits_(limits) {
  pause_ns_ = limits.scenario_ns / world_.between(3, 40);
  duration_ns_ = limits.scenario_ns / world_.between(2, 20);
  // Some scenarios have one kind of fault, most have many.
  kinds_ = static_cast<unsigned>(world_.random() | world_.random()) % (1U << kKinds);
  if (kinds_ == 0) kinds_ = 1U << world_.below(kKinds);
  if (broken_ == Broken::kTooMuchIsLost) kinds_ |= 1U << kWipe;
}

void SimNemesis::wreak(const std::function<bool()>& goes_on) {
  while (goes_on()) {
    world_.sleep(world_.between(pause_ns_ / 4, 2 * pause_ns_));
    if (goes_on()) strike();
  }
}

void SimNemesis::strike() {
  unsigned victims = 1;
  while (victims < network_.size() && world_.chance(25)) ++victims;
  for (; victims > 0; --victims) hit(network_[world_.below(network_.size())]);
}

void SimNemesis::hit(SimServer& server) {
  unsigned kind = static_cast<unsigned>(world_.below(kKinds));
  while ((kinds_ >> kind & 1U) == 0) kind = (kind + 1) % kKinds;
  ++counts_.faults;
  switch (kind) {
    case kKill:
      return kill(server);
    case kWipe:
      return wipe(server);
    case kStop:
      world_.note(fmt::format("server{} is stopped", server.index()));
      server.stop(true);
      return until_later([&server] { server.stop(false); });
    case kCutOff:
      world_.note(fmt::format("server{} is cut off", server.index()));
      server.cut_off(true);
      return until_later([&server] { server.cut_off(false); });
    case kFull:
      world_.note(fmt::format("server{} is full", server.index()));
      server.set_full(true);
      return until_later([&server] { server.set_full(false); });
    case kSlow:
      return slow(server);
    default:
      return rot(server);
  }
}

void SimNemesis::until_later(std::function<void()> end) {
  world_.after(world_.below(duration_ns_), [this, end = std::move(end)] {
    if (!healed_) end();
  });
}

bool SimNemesis::may_lose_all(SimServer& server) {
  if (broken_ == Broken::kTooMuchIsLost) return true;
  if (model_ == nullptr) return true;
  return limits_.loses && model_->may_lose_all(server);
}

void SimNemesis::lose(SimServer& server, const std::function<void()>& fault) {
  if (model_ == nullptr) return fault();
  model_->lose(server, fault);
}

void SimNemesis::kill(SimServer& server) {
  const bool loses = may_lose_all(server);
  world_.note(fmt::format("server{} is killed{}", server.index(),
                          loses ? ", and loses what it had not synced" : ""));
  counts_.losses += loses ? 1 : 0;
  lose(server, [&] { server.kill(loses); });
  until_later([&server] { server.start(); });
}

void SimNemesis::wipe(SimServer& server) {
  if (model_ == nullptr && world_.chance(50)) {
    world_.note(server.address() + " is set back");
    ++counts_.losses;
    return server.set_back();
  }
  const bool bears =
      model_ == nullptr || (may_lose_all(server) && model_->all_others_are_whole(server));
  if (!bears && broken_ != Broken::kTooMuchIsLost) return;
  const bool restarts = world_.chance(50);
  world_.note(
      fmt::format("server{} is emptied{}", server.index(), restarts ? " and restarted" : ""));
  ++counts_.losses;
  lose(server, [&] {
    if (restarts || !server.running()) {
      server.start_empty();
    } else {
      server.flush_all();
    }
  });
}

// A shard is damaged, cut short, or an older one is in its place.
void SimNemesis::rot(SimServer& server) {
  if (model_ == nullptr || model_->committed() == 0 || !limits_.loses) return;
  const AggregationNumber number = 1 + world_.below(model_->committed());
  const std::string key = model_->key(number);
  std::optional<std::string> value = server.value(key);
  if (!value || value->size() < 2 || !model_->may_lose_shard(server, number)) return;
  world_.note(fmt::format("the shard of aggregation {} on server{} rots", number, server.index()));
  ++counts_.losses;
  switch (world_.below(3)) {
    case 0:
      (*value)[world_.below(value->size())] ^= static_cast<char>(1 + world_.below(255));
      break;
    case 1:
      value->resize(1 + world_.below(value->size() - 1));
      break;
    default:
      value = server.value(model_->key(1 + world_.below(model_->committed())));
      if (!value) return;
  }
  lose(server, [&] { server.overwrite(key, *value); });
}

void SimNemesis::slow(SimServer& server) {
  const std::uint64_t most = std::uint64_t{kMillisecond} << world_.below(15);
  world_.note(
      fmt::format("server{} answers after up to {} ms", server.index(), most / kMillisecond));
  server.set_latency({.least_ns = most / 10, .most_ns = most});
  until_later([&server] { server.set_latency({}); });
}

void SimNemesis::take_the_end() {
  const AggregationNumber last = model_->committed();
  if (last == 0) return;
  const std::string key = model_->key(last);
  for (std::size_t i = 0; i < network_.size(); ++i) network_[i].remove(key);
}

void SimNemesis::heal() {
  healed_ = true;
  world_.note("everything is healed");
  for (std::size_t i = 0; i < network_.size(); ++i) {
    SimServer& server = network_[i];
    server.start();
    server.stop(false);
    server.cut_off(false);
    server.set_full(false);
    server.set_latency({});
  }
}

}  // namespace tlog::sim
