#include "server/client/board.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace tlog::client {

std::string_view server_state_name(ServerState state) {
  switch (state) {
    case ServerState::kConnecting:
      return "connecting";
    case ServerState::kCatchingUp:
      return "catching up";
    case ServerState::kSending:
      return "sending";
    case ServerState::kRefused:
      return "refused";
  }
  return "unknown";
}

Sequence nth_greatest(const std::vector<Mark>& marks, unsigned n,
                      const std::function<Sequence(const Mark&)>& sequence_of) {
  std::map<Uuid, Sequence> of_log;
  std::vector<Sequence> sequences;
  for (const Mark& mark : marks) {
    if (!mark.counts) continue;
    if (mark.log.is_nil()) {
      sequences.push_back(sequence_of(mark));
    } else {
      Sequence& best = of_log[mark.log];
      best = std::max(best, sequence_of(mark));
    }
  }
  for (const auto& [log, sequence] : of_log) sequences.push_back(sequence);
  if (n == 0 || sequences.size() < n) return 0;
  std::nth_element(sequences.begin(), sequences.begin() + (n - 1), sequences.end(),
                   std::greater<>());
  return sequences[n - 1];
}

Board::Board(const std::vector<std::string>& servers, WriteConcern concern)
    : concern_(concern), marks_(servers.size()) {
  for (std::size_t i = 0; i < servers.size(); ++i) {
    marks_[i].marker.address = servers[i];
    marks_[i].marker.reason = "not tried yet";
  }
}

void Board::update(std::size_t index, const std::function<void(Mark&)>& change) {
  MutexLock lock(mutex_);
  change(marks_[index]);
}

Mark Board::at(std::size_t index) const {
  MutexLock lock(mutex_);
  return marks_[index];
}

void Board::log_is(const Uuid& before, const Uuid& log, Sequence stored) {
  MutexLock lock(mutex_);
  for (Mark& mark : marks_) {
    if (mark.log.is_nil()) continue;
    if (mark.log == before && before != log) {  // it is not there any more
      mark.counts = false;
      mark.marker.stored = mark.marker.received = 0;
    } else if (mark.log == log && !mark.connected) {
      mark.marker.stored = std::min(mark.marker.stored, stored);
    }
  }
}

bool Board::believes(const Uuid& log) const {
  MutexLock lock(mutex_);
  return !log.is_nil() && std::any_of(marks_.begin(), marks_.end(), [&log](const Mark& mark) {
    return mark.counts && mark.log == log;
  });
}

std::vector<Marker> Board::markers() const {
  MutexLock lock(mutex_);
  std::vector<Marker> markers;
  for (const Mark& mark : marks_) markers.push_back(mark.marker);
  return markers;
}

Sequence Board::stored() const {
  MutexLock lock(mutex_);
  return nth_greatest(marks_, concern_.stored, [](const Mark& mark) { return mark.marker.stored; });
}

Sequence Board::stored_by(unsigned servers) const {
  MutexLock lock(mutex_);
  return nth_greatest(marks_, servers, [](const Mark& mark) { return mark.marker.stored; });
}

Sequence Board::received() const {
  MutexLock lock(mutex_);
  return nth_greatest(marks_, concern_.received, [](const Mark& mark) {
    return mark.connected ? std::max(mark.marker.received, mark.marker.stored) : mark.marker.stored;
  });
}

unsigned Board::sending() const {
  MutexLock lock(mutex_);
  std::set<Uuid> logs;
  unsigned nameless = 0;
  for (const Mark& mark : marks_) {
    if (!mark.counts || mark.marker.state != ServerState::kSending) continue;
    if (mark.log.is_nil()) {
      ++nameless;
    } else {
      logs.insert(mark.log);
    }
  }
  return nameless + static_cast<unsigned>(logs.size());
}

std::string Board::troubles() const {
  MutexLock lock(mutex_);
  std::string text;
  for (const Mark& mark : marks_) {
    const Marker& marker = mark.marker;
    if (marker.state == ServerState::kSending) continue;
    text += fmt::format("{}{}: {}{}{}", text.empty() ? "" : "; ", marker.address,
                        server_state_name(marker.state), marker.reason.empty() ? "" : ": ",
                        marker.reason);
  }
  return text;
}

std::string Board::backlogs() const {
  MutexLock lock(mutex_);
  std::string text;
  for (const Mark& mark : marks_) {
    const Marker& marker = mark.marker;
    if (marker.state != ServerState::kSending) continue;
    text += fmt::format(
        "{}{}: sent up to {}, it has received up to {} and stored up to {}; see its "
        "status for what it waits for",
        text.empty() ? "" : "; ", marker.address, marker.sent, marker.received, marker.stored);
  }
  return text;
}

}  // namespace tlog::client
