#include "tests/sim/sim_standby.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "tlog/blocks/cluster_storage.h"

namespace tlog::sim {
namespace {

constexpr std::size_t kFreshMax = 6;  // aggregations that are still at hand

}  // namespace

// ---- The vdisk ----

SimFollowed::SimFollowed(Parts parts)
    : parts_(std::move(parts)),
      stores_(parts_.process.stores()),
      stored_(parts_.stored),
      durable_(parts_.stored) {}

void SimFollowed::appended(const testing::Appended& made) {
  durable_ = made.reference.last_sequence;
  fresh_.push_back(made);
  if (fresh_.size() > kFreshMax) fresh_.pop_front();
}

void SimFollowed::committed(const format::AggregationReference& reference) {
  recent_.add(reference);
  stored_ = reference.last_sequence;
}

void SimFollowed::leave() {
  is_left_ = true;
  if (!is_followed_) parts_.process.end();
}

Result<std::optional<standby::Fresh>> SimFollowed::take_fresh(Sequence after, std::uint64_t) {
  std::optional<standby::Fresh> fresh;
  const bool reaches_back = !fresh_.empty() && fresh_.front().reference.first_sequence <= after + 1;
  if (!reaches_back || parts_.world.chance(50)) return fresh;
  std::size_t bytes = 0;
  for (const auto& made : fresh_) {
    for (const auto& change : made.changes) bytes += change.bytes.size();
  }
  fresh.emplace();
  fresh->bytes = Buffer(bytes);
  std::byte* at = fresh->bytes.data();
  for (const auto& made : fresh_) {
    if (made.reference.last_sequence > stored_) break;
    Sequence sequence = made.reference.first_sequence;
    for (const auto& change : made.changes) {
      format::Record record{.sequence = sequence++,
                            .offset = change.offset,
                            .size = change.bytes.size(),
                            .operation = change.operation,
                            .timestamp = made.reference.first_timestamp,
                            .hash = {},
                            .data = {}};
      if (record.sequence <= after) continue;
      if (change.operation == Operation::kWrite) {
        std::memcpy(at, change.bytes.data(), change.bytes.size());
        record.data = {at, change.bytes.size()};
        at += change.bytes.size();
      }
      fresh->records.push_back(record);
    }
    fresh->end = session::position_of(made.reference);
    if (!fresh->records.empty() && parts_.world.chance(30)) break;
  }
  if (fresh->records.empty()) fresh.reset();
  return fresh;
}

void SimFollowed::mend(AggregationNumber number, const std::vector<walk::BadShard>& shards) {
  if (parts_.mend && !dead()) parts_.mend(number, shards);
}

Result<std::shared_ptr<blocks::BlockStorage>> SimFollowed::open_follower(
    const std::vector<store::RespStoreOptions>& servers, Sequence possible, bool discard) {
  return blocks::open_cluster_storage({.vdisk = parts_.format.name,
                                       .uuid = parts_.format.vdisk,
                                       .size = parts_.format.size,
                                       .block_size = parts_.format.block_size,
                                       .servers = servers,
                                       .epoch = parts_.epoch,
                                       .forks = parts_.forks,
                                       .possible = possible,
                                       .follows = true,
                                       .discards = discard,
                                       .cache_bytes = 0,
                                       .read_ahead_bytes = 0},
                                      parts_.process.loop(), parts_.world.logger());
}

// ---- Following it ----

void SimStandby::begin(const std::string& who, const std::shared_ptr<SimFollowed>& vdisk) {
  newest_epoch_ = std::max(newest_epoch_, vdisk->epoch());
  vdisk->is_followed_ = true;
  world_.start(who + "'s standby", [this, who, vdisk] {
    follow(who, *vdisk);
    vdisk->is_followed_ = false;
    if (vdisk->is_left_) vdisk->parts_.process.end();
  });
}

void SimStandby::follow(const std::string& who, SimFollowed& vdisk) {
  standby::Follower::Options options;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    options.servers.push_back(
        {.address = servers_[i].address(), .db = {}, .password = {}, .vdisk = {}});
  }
  options.stopping = [&vdisk] { return vdisk.stopping(); };
  standby::Follower* self = nullptr;
  options.on_progress = [&, began = world_.now()] {
    if (vdisk.dead()) return;
    const bool lies = broken_ == Broken::kStandbySaysTooMuch;
    const Sequence said = lies ? vdisk.durable() : self->position().sequence;
    model_.check_said(who, said, began);
  };
  standby::Follower follower(vdisk, std::move(options));
  self = &follower;
  bool is_open = false;
  const std::uint64_t pause_ns = kMillisecond << world_.below(12);
  while (!vdisk.stopping() && !world_.failure()) {
    round(who, vdisk, follower, is_open);
    world_.sleep(1 + world_.below(pause_ns));
  }
}

void SimStandby::round(const std::string& who, SimFollowed& vdisk, standby::Follower& follower,
                       bool& is_open) {
  if (broken_ == Broken::kStandbyChainChanged && world_.chance(20)) damage_chain();
  const bool asks = world_.chance(50);
  const std::uint64_t began = world_.now();
  const Sequence target = vdisk.stored();
  Status done = is_open ? Status() : follower.open();
  is_open = static_cast<bool>(done);
  if (done) done = follower.catch_up(asks && broken_ != Broken::kStandbyDoesNotAsk);
  if (vdisk.dead()) return;
  check(who, vdisk, done);
  if (!done) return;
  ++counts_.synced;
  if (follower.position().sequence < target) {
    world_.fail(fmt::format("{}: the standby has caught up with {}, and is at {}", who, target,
                            follower.position().sequence));
  }
  if (!asks) return;
  ++counts_.waited;
  model_.check_said(who + ", who has asked", target, began);
  vdisk.answered = target;
}

// A standby that has followed nothing but this log never has anything else.
void SimStandby::check(const std::string& who, SimFollowed& vdisk, const Status& done) {
  vdisk.reason = done ? "" : done.error().message();
  if (done) return;
  world_.note(fmt::format("{}: the standby waits: {}", who, vdisk.reason));
  const Code code = done.error().code();
  const Code passing[] = {Code::kUnavailable, Code::kTimeout, Code::kShutdown, Code::kNoSpace};
  if (std::find(std::begin(passing), std::end(passing), code) != std::end(passing)) return;
  // Another host has it.
  if (code == Code::kInvalidArgument && vdisk.epoch() < newest_epoch_) return;
  world_.fail(
      fmt::format("{}: the standby is refused: {}: {}", who, code_name(code), vdisk.reason));
}

void SimStandby::damage_chain() {
  SimServer& server = servers_[world_.below(servers_.size())];
  auto fields = server.fields(model_.key());
  std::string& chain = fields[std::string(blocks::kChainField)];
  if (chain.empty()) return;
  chain.back() = chain.back() == '0' ? '1' : '0';
  server.overwrite_field(model_.key(), std::string(blocks::kChainField), chain);
}

}  // namespace tlog::sim
