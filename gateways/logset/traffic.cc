#include "gateways/logset/traffic.h"

#include <algorithm>

namespace tlog::logset {
namespace {

// Who pulled longest ago makes room.
constexpr std::size_t kPullersMax = 16;

std::uint64_t length_in(const LogLengths& lengths, const std::string& log) {
  const auto found = lengths.find(log);
  return found == lengths.end() ? 0 : found->second;
}

// Of what is sorted by name.
std::uint64_t length_in(const std::vector<LogLength>& lengths, const std::string& log) {
  const auto found = std::lower_bound(
      lengths.begin(), lengths.end(), log,
      [](const LogLength& one, const std::string& name) { return one.name < name; });
  return found == lengths.end() || found->name != log ? 0 : found->bytes;
}

}  // namespace

// The last moment of which a copy has everything, as far as its pull before this one knew.
std::optional<std::uint64_t> Traffic::even_after(const Copy& before, const Copy& now,
                                                 const LogLengths& there) {
  const std::uint64_t grown = now.bytes_here - std::min(now.bytes_here, before.bytes_here);
  if (now.lacked > before.lacked + grown) return std::nullopt;  // it has lost some
  const bool has_what_it_was_told =
      std::all_of(before.promised.begin(), before.promised.end(),
                  [&](const LogLength& log) { return length_in(there, log.name) >= log.bytes; });
  return has_what_it_was_told ? std::max(before.even_ns, std::optional(before.pulled_ns))
                              : before.even_ns;
}

void Traffic::note(const std::vector<LogLength>& lengths) {
  const std::uint64_t now = clock_.monotonic_ns();
  logs_ = lengths.size();
  bytes_ = 0;
  for (const LogLength& log : lengths) bytes_ += log.bytes;
  looked_ns_ = now;
  error_.clear();
  for (Copy& copy : copies_) {
    // Logs only grow, so a copy lacks what it lacked, and what has come since that it did not have.
    std::uint64_t new_to_it = bytes_ - std::min(bytes_, copy.bytes_here);
    for (const Ahead& log : copy.ahead) {
      const std::uint64_t known = std::min(log.has, length_in(lengths, log.name));
      new_to_it -= std::min(new_to_it, known - std::min(known, log.here));
    }
    copy.behind = copy.lacked + new_to_it;
    if (copy.behind == 0) copy.even_ns = now;
  }
}

void Traffic::looked(const Result<std::vector<LogLength>>& lengths) {
  MutexLock lock(mutex_);
  if (lengths)
    note(*lengths);
  else
    error_ = lengths.error().message();
}

void Traffic::pushed(std::uint64_t bytes) {
  MutexLock lock(mutex_);
  pushed_bytes_ += bytes;
  pushed_ns_ = clock_.monotonic_ns();
}

void Traffic::pulled(Puller puller, const std::vector<LogLength>& here, const LogLengths& there) {
  MutexLock lock(mutex_);
  Copy copy;
  copy.puller = std::move(puller);
  const auto before = std::find_if(copies_.begin(), copies_.end(), [&](const Copy& other) {
    return other.puller.peer == copy.puller.peer && other.puller.target == copy.puller.target;
  });
  copy.pulled_ns = clock_.monotonic_ns();
  for (const LogLength& log : here) {
    copy.bytes_here += log.bytes;
    const std::uint64_t has = length_in(there, log.name);
    if (has >= log.bytes) continue;
    copy.lacked += log.bytes - has;
    copy.promised.push_back(log);
  }
  for (const auto& [name, has] : there) {
    const std::uint64_t bytes = length_in(here, name);
    if (has > bytes) copy.ahead.push_back({.name = name, .here = bytes, .has = has});
  }
  if (before != copies_.end()) {
    copy.even_ns = even_after(*before, copy, there);
    copies_.erase(before);
  }
  if (copies_.size() == kPullersMax) copies_.erase(copies_.begin());
  copies_.push_back(std::move(copy));
  note(here);
}

bool Traffic::is_asked() const {
  MutexLock lock(mutex_);
  return looked_ns_.has_value() || pushed_ns_.has_value();
}

TrafficStatus Traffic::status() const {
  MutexLock lock(mutex_);
  const std::uint64_t now = clock_.monotonic_ns();
  const auto ago = [now](std::optional<std::uint64_t> then) {
    return then ? std::optional(now - std::min(now, *then)) : std::nullopt;
  };
  TrafficStatus status{.logs = logs_,
                       .bytes = bytes_,
                       .looked_ns = ago(looked_ns_),
                       .error = error_,
                       .pushed_bytes = pushed_bytes_,
                       .pushed_ns = ago(pushed_ns_),
                       .pullers = {}};
  for (auto copy = copies_.rbegin(); copy != copies_.rend(); ++copy) {
    status.pullers.push_back({.peer = copy->puller.peer,
                              .target = copy->puller.target,
                              .behind_bytes = copy->behind,
                              .behind_ns = ago(copy->even_ns),
                              .pulled_ns = *ago(copy->pulled_ns)});
  }
  return status;
}

}  // namespace tlog::logset
