#include "tests/sim/standby_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/blocks/cluster_layout.h"

namespace tlog::sim {
namespace {

Sequence sequence_in(const std::map<std::string, std::string>& fields, std::string_view field) {
  const auto found = fields.find(std::string(field));
  if (found == fields.end()) return 0;
  const auto applied = blocks::parse_applied(found->second);
  return applied ? applied->sequence : 0;
}

}  // namespace

StandbyModel::StandbyModel(World& world, Network& servers, const format::VdiskFormat& format)
    : world_(world), servers_(servers), format_(format), moments_(servers.size()) {
  if (servers.size() == 0) return;  // there is no standby
  states_.push_back({.disk = std::string(format.size, '\0')});
  for (std::size_t i = 0; i < servers.size(); ++i) {
    SimServer& server = servers[i];
    server.on_change = [this, &server] { look(server); };
  }
}

std::string StandbyModel::key() const {
  return blocks::ClusterLayout{.vdisk = format_.name, .uuid = format_.vdisk}.key();
}

void StandbyModel::committed(AggregationNumber number, Hash256 hash) {
  std::vector<const testing::Appended*> newer;  // backwards
  for (; number >= states_.size(); --number) {
    newer.push_back(&made_.at(hash.bytes));
    hash = newer.back()->prev;
  }
  if (number > 0 && states_[number].hash != hash) {
    return world_.fail(fmt::format("aggregation {} was committed, and is another one now", number));
  }
  for (auto made = newer.rbegin(); made != newer.rend(); ++made) {
    State next{.sequence = (*made)->reference.last_sequence,
               .hash = (*made)->reference.hash,
               .disk = states_.back().disk};
    for (const auto& change : (*made)->changes) {
      next.disk.replace(change.offset, change.bytes.size(), change.bytes);
    }
    states_.push_back(std::move(next));
  }
}

const StandbyModel::State* StandbyModel::state_at(Sequence sequence) const {
  const auto found =
      std::lower_bound(states_.begin(), states_.end(), sequence,
                       [](const State& state, Sequence wanted) { return state.sequence < wanted; });
  return found == states_.end() || found->sequence != sequence ? nullptr : &*found;
}

void StandbyModel::look(SimServer& server) {
  const auto fields = server.fields(key());
  const bool is_begun = fields.contains(std::string(blocks::kIdField));
  const Sequence applied = is_begun ? sequence_in(fields, blocks::kAppliedField) : 0;
  auto& moments = moments_[server.index()];
  if (moments.empty() || moments.back().has != applied) moments.push_back({world_.now(), applied});
  if (!is_begun) return;
  if (state_at(applied) == nullptr) {
    return world_.fail(
        fmt::format("{} says it has everything up to {}; what is committed ends at "
                    "{}, or not there",
                    server.address(), applied, committed_end()));
  }
  check_blocks(server, fields, applied,
               std::max(applied, sequence_in(fields, blocks::kApplyingField)));
}

void StandbyModel::check_blocks(SimServer& server, const std::map<std::string, std::string>& fields,
                                Sequence applied, Sequence reach) {
  const State* base = state_at(applied);
  const auto may_be = [&](std::size_t at, char byte) {
    for (const State* state = base;
         state != states_.data() + states_.size() && state->sequence <= reach; ++state) {
      if (state->disk[at] == byte) return true;
    }
    return false;
  };
  const std::size_t size = format_.block_size;
  const std::string zeros(size, '\0');
  for (std::size_t block = server.index(); block * size < format_.size; block += servers_.size()) {
    const auto found = fields.find(std::to_string(block));
    const std::string& bytes = found == fields.end() ? zeros : found->second;
    if (base->disk.compare(block * size, size, bytes) == 0) continue;
    for (std::size_t i = 0; i < size && i < bytes.size(); ++i) {
      if (may_be(block * size + i, bytes[i])) continue;
      return world_.fail(
          fmt::format("{} says it has everything up to {}, announced up to {}; byte "
                      "{} of block {} is of neither",
                      server.address(), applied, reach, i, block));
    }
    if (bytes.size() != size) {
      return world_.fail(
          fmt::format("{}: block {} has {} bytes", server.address(), block, bytes.size()));
    }
  }
}

void StandbyModel::check_said(const std::string& who, Sequence sequence, std::uint64_t since_ns) {
  if (sequence > committed_end()) {
    world_.fail(fmt::format("{}: the standby is said to have {}, {} is committed", who, sequence,
                            committed_end()));
  }
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    Sequence most = 0;
    for (auto moment = moments_[i].rbegin(); moment != moments_[i].rend(); ++moment) {
      most = std::max(most, moment->has);
      if (moment->at_ns < since_ns) break;  // what it had then
    }
    if (most >= sequence) continue;
    world_.fail(
        fmt::format("{}: the standby is said to have everything up to {}; {} has had no "
                    "more than {} since it was asked",
                    who, sequence, servers_[i].address(), most));
  }
}

void StandbyModel::check_equal() {
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    SimServer& server = servers_[i];
    const auto fields = server.fields(key());
    const Sequence applied = sequence_in(fields, blocks::kAppliedField);
    if (!fields.contains(std::string(blocks::kIdField)) || applied != committed_end()) {
      world_.fail(fmt::format("after the heal {} has everything up to {}, {} is committed",
                              server.address(), applied, committed_end()));
    } else {
      check_blocks(server, fields, applied, applied);
    }
  }
}

}  // namespace tlog::sim
