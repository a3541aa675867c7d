#include "tests/crash/model.h"

#include <algorithm>
#include <optional>

#include <fmt/core.h>

#include "tlog/base/assert.h"

namespace tlog::crash {

const char* fault_name(Fault fault) {
  switch (fault) {
    case Fault::kLost:
      return "LOST";
    case Fault::kTorn:
      return "TORN";
    case Fault::kMisplaced:
      return "MISPLACED";
    case Fault::kGhost:
      return "GHOST";
    case Fault::kStale:
      return "STALE";
    case Fault::kError:
      return "ERROR";
  }
  return "?";
}

namespace {

constexpr std::uint32_t kBefore = UINT32_MAX;  // the candidate "as before the round"

std::string describe(const History& history, std::uint32_t index) {
  if (index == kBefore) return "what was there before the round";
  const Request& request = history.requests()[index];
  return fmt::format(
      "operation {} ({} of cells {}..{}{} on connection {}, issued at {}, {})",
      history.id_of(index), kind_name(request.kind), request.first_cell,
      request.first_cell + request.cells, request.fua ? " FUA" : "", request.connection,
      request.issued_at,
      request.answered() ? fmt::format("answered at {}", request.answered_at) : "not answered");
}

std::string describe(const CellSeen& seen) {
  switch (seen.state) {
    case CellState::kZero:
      return "zeros";
    case CellState::kStamped:
      return fmt::format("operation {}", seen.operation);
    case CellState::kMisplaced:
      return fmt::format("operation {} of cell {}", seen.operation, seen.cell);
    case CellState::kTorn:
      return "no whole stamp";
  }
  return "?";
}

// Who touched which cell, and what the round's reads say about the order.
class CellIndex {
 public:
  struct Sighting {
    std::uint32_t operation;
    Tick read_issued_at;
  };

  CellIndex(const History& history, std::uint64_t cells, bool trust_reads)
      : history_(history), touched_(cells), sighted_(cells) {
    const auto requests = history.requests();
    for (std::uint32_t i = 0; i < requests.size(); ++i) {
      const Request& request = requests[i];
      for (std::uint64_t c = 0; c < request.cells; ++c) {
        if (request.changes_data()) touched_[request.first_cell + c].push_back(i);
        if (trust_reads && request.kind == Kind::kRead && request.answered()) sight(request, c);
      }
    }
  }

  const std::vector<std::uint32_t>& touched(std::uint64_t cell) const { return touched_[cell]; }

  // Whether `earlier` certainly came before `later` on this cell.
  bool before(std::uint32_t earlier, std::uint32_t later, std::uint64_t cell) const {
    if (earlier == later || later == kBefore) return false;
    if (earlier == kBefore) return true;
    const auto requests = history_.requests();
    const Tick answered_at = requests[earlier].answered_at;
    if (answered_at == 0) return false;
    if (answered_at < requests[later].issued_at) return true;
    return std::any_of(sighted_[cell].begin(), sighted_[cell].end(), [&](const Sighting& sighting) {
      return sighting.operation == later && answered_at < sighting.read_issued_at;
    });
  }

 private:
  void sight(const Request& read, std::uint64_t c) {
    const CellSeen& seen = history_.seen(read)[c];
    if (seen.state != CellState::kStamped || history_.find(seen.operation) == nullptr) return;
    sighted_[read.first_cell + c].push_back(
        {.operation = static_cast<std::uint32_t>(seen.operation - history_.first_id()),
         .read_issued_at = read.issued_at});
  }

  const History& history_;
  std::vector<std::vector<std::uint32_t>> touched_;
  std::vector<std::vector<Sighting>> sighted_;
};

class Checker {
 public:
  Checker(const History& history, const Image& before, const Promises& promises)
      : history_(history),
        before_(before),
        promises_(promises),
        one_view_(history.multi_conn() || single_connection()),
        index_(history, before.size(), one_view_) {
    for (const Request& request : history.requests()) {
      if (request.kind == Kind::kFlush && request.answered()) flushes_.push_back(&request);
    }
  }

  std::vector<Violation> survivors(const Image& after);
  std::vector<Violation> answers();

 private:
  // The outcome of one cell: nothing wrong, or the operation that supersedes every candidate.
  using Survived = std::vector<char>;  // by request

  bool single_connection() const {
    const auto requests = history_.requests();
    return std::all_of(requests.begin(), requests.end(),
                       [](const Request& r) { return r.connection == 0; });
  }

  bool supersedes(const Request& request) const {
    return request.kind == Kind::kWrite || request.kind == Kind::kZero ||
           (request.kind == Kind::kTrim && promises_.trim_zeroes);
  }

  // Which requests may have left what `seen` shows. Empty: none of the round's, nor the state
  // before it.
  std::vector<std::uint32_t> candidates(const CellSeen& seen, std::uint64_t cell) const;

  template <class IsFloor>
  std::optional<std::uint32_t> superseded_by(std::uint32_t candidate, std::uint64_t cell,
                                             IsFloor is_floor) const {
    for (const std::uint32_t other : index_.touched(cell)) {
      if (supersedes(history_.requests()[other]) && is_floor(other) &&
          index_.before(candidate, other, cell)) {
        return other;
      }
    }
    return std::nullopt;
  }

  template <class IsFloor>
  void judge(const CellSeen& seen, std::uint64_t cell, Fault lost, const std::string& context,
             IsFloor is_floor);

  Survived survived(const Image& after) const;
  bool made_durable(const Request& request) const;
  bool zeroed_during(const Request& request, const Request& flush) const;
  bool changed_during(const Request& read, std::uint64_t cell) const;
  Tick newest_certain(const Survived& certain, const Image& after) const;
  void check_atomic(const Image& after, std::uint64_t block);
  void report(Fault fault, std::uint64_t cell, std::string text) {
    if (!violations_.empty()) {
      Violation& last = violations_.back();
      if (last.fault == fault && last.text == text && last.cell + last.cells == cell) {
        ++last.cells;
        return;
      }
    }
    if (violations_.size() < kViolationsMax) violations_.push_back({fault, cell, std::move(text)});
  }

  const History& history_;
  const Image& before_;
  const Promises& promises_;
  const bool one_view_;  // all connections see and flush the same
  const CellIndex index_;
  std::vector<const Request*> flushes_;  // answered ones, as they were issued
  std::vector<Violation> violations_;
};

std::vector<std::uint32_t> Checker::candidates(const CellSeen& seen, std::uint64_t cell) const {
  std::vector<std::uint32_t> found;
  if (seen == before_[cell]) found.push_back(kBefore);
  for (const std::uint32_t i : index_.touched(cell)) {
    const bool writes = history_.requests()[i].kind == Kind::kWrite;
    const bool matches =
        seen.state == CellState::kZero ? !writes : writes && history_.id_of(i) == seen.operation;
    if (matches) found.push_back(i);
  }
  return found;
}

template <class IsFloor>
void Checker::judge(const CellSeen& seen, std::uint64_t cell, Fault lost,
                    const std::string& context, IsFloor is_floor) {
  const auto say = [&](Fault fault, const std::string& why) {
    report(fault, cell, fmt::format("{} it shows {}: {}", context, describe(seen), why));
  };
  if (seen.state == CellState::kTorn) return say(Fault::kTorn, "neither zeros nor a stamp");
  if (seen.state == CellState::kMisplaced)
    return say(Fault::kMisplaced, "the stamp belongs elsewhere");
  const auto possible = candidates(seen, cell);
  if (possible.empty()) {
    if (seen.state == CellState::kStamped && seen.operation >= history_.first_id()) {
      return say(Fault::kGhost, "no such operation touched this cell");
    }
    return say(lost,
               fmt::format("neither {} nor anything this round did", describe(before_[cell])));
  }
  std::uint32_t newer = kBefore;
  for (const std::uint32_t candidate : possible) {
    const auto by = superseded_by(candidate, cell, is_floor);
    if (!by) return;
    newer = *by;
  }
  say(lost, fmt::format("superseded by {}; last candidate: {}", describe(history_, newer),
                        describe(history_, possible.back())));
}

Tick Checker::newest_certain(const Survived& certain, const Image& after) const {
  const auto requests = history_.requests();
  Tick newest = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (certain[i]) newest = std::max(newest, requests[i].issued_at);
  }
  for (const CellSeen& seen : after) {
    if (seen.state != CellState::kStamped) continue;
    if (const Request* request = history_.find(seen.operation))
      newest = std::max(newest, request->issued_at);
  }
  return newest;
}

// Whether a zero or trim of some of the request's cells was under way when `flush` (which may be
// the request itself) was.
bool Checker::zeroed_during(const Request& request, const Request& flush) const {
  const auto requests = history_.requests();
  return std::any_of(requests.begin(), requests.end(), [&](const Request& other) {
    return &other != &request && (other.kind == Kind::kZero || other.kind == Kind::kTrim) &&
           other.first_cell < request.first_cell + request.cells &&
           request.first_cell < other.first_cell + other.cells &&
           other.issued_at < flush.answered_at &&
           (!other.answered() || other.answered_at > flush.issued_at);
  });
}

// Whether a change of the cell was under way at some time while the answered `read` was.
bool Checker::changed_during(const Request& read, std::uint64_t cell) const {
  const auto& touched = index_.touched(cell);
  return std::any_of(touched.begin(), touched.end(), [&](std::uint32_t i) {
    const Request& change = history_.requests()[i];
    return change.issued_at < read.answered_at &&
           (!change.answered() || change.answered_at > read.issued_at);
  });
}

// Of an answered request: whether its own FUA or a later FLUSH has made it durable.
bool Checker::made_durable(const Request& request) const {
  const auto covers = [&](const Request& flush) {
    return !promises_.zeroing_escapes_flush || !zeroed_during(request, flush);
  };
  if (request.fua && covers(request)) return true;
  return std::any_of(flushes_.rbegin(), flushes_.rend(), [&](const Request* flush) {
    return flush->issued_at > request.answered_at &&
           (one_view_ || flush->connection == request.connection) && covers(*flush);
  });
}

Checker::Survived Checker::survived(const Image& after) const {
  const auto requests = history_.requests();
  Survived certain(requests.size(), 0);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Request& request = requests[i];
    if (!request.changes_data() || !request.answered()) continue;
    certain[i] = promises_.keep_acked || made_durable(request);
  }
  if (promises_.prefix) {
    const Tick newest = newest_certain(certain, after);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const Request& request = requests[i];
      if (request.changes_data() && request.answered() && request.answered_at < newest)
        certain[i] = 1;
    }
  }
  return certain;
}

// Whether the block shows a part of an aligned 4 KiB write beside something that this write must
// have replaced.
void Checker::check_atomic(const Image& after, std::uint64_t block) {
  const std::uint64_t first = block * kCellsPerBlock;
  const auto whole_write = [&](const CellSeen& seen) -> const Request* {
    if (seen.state != CellState::kStamped) return nullptr;
    const Request* request = history_.find(seen.operation);
    if (request == nullptr || request->first_cell != first || request->cells != kCellsPerBlock)
      return nullptr;
    return request;
  };
  for (std::uint64_t c = first; c < first + kCellsPerBlock; ++c) {
    if (whole_write(after[c]) == nullptr) continue;
    const auto write = static_cast<std::uint32_t>(after[c].operation - history_.first_id());
    for (std::uint64_t other = first; other < first + kCellsPerBlock; ++other) {
      if (after[other] == after[c] || after[other].operation == after[c].operation) continue;
      const auto possible = candidates(after[other], other);
      const bool replaced =
          whole_write(after[other]) != nullptr ||
          (!possible.empty() &&
           std::all_of(possible.begin(), possible.end(), [&](std::uint32_t candidate) {
             return index_.before(candidate, write, other);
           }));
      if (!replaced) continue;
      return report(Fault::kTorn, other,
                    fmt::format("block {}: cell {} shows {}, cell {} still {}", block, c,
                                describe(history_, write), other, describe(after[other])));
    }
  }
}

std::vector<Violation> Checker::survivors(const Image& after) {
  TLOG_ASSERT(after.size() == before_.size());
  const Survived certain = survived(after);
  for (std::uint64_t cell = 0; cell < after.size(); ++cell) {
    if (index_.touched(cell).empty() && after[cell] == before_[cell]) continue;
    judge(after[cell], cell, Fault::kLost, "after the crash",
          [&](std::uint32_t i) { return certain[i] != 0; });
  }
  if (promises_.atomic) {
    for (std::uint64_t block = 0; block < after.size() / kCellsPerBlock; ++block)
      check_atomic(after, block);
  }
  return std::move(violations_);
}

std::vector<Violation> Checker::answers() {
  const auto requests = history_.requests();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Request& request = requests[i];
    if (request.error != 0) {
      report(Fault::kError, request.first_cell,
             fmt::format("{}: refused with errno {}",
                         describe(history_, static_cast<std::uint32_t>(i)), request.error));
    }
    if (request.kind != Kind::kRead || !request.answered()) continue;
    const std::string context =
        fmt::format("read at {}..{}", request.issued_at, request.answered_at);
    for (std::uint64_t c = 0; c < request.cells; ++c) {
      const CellSeen& seen = history_.seen(request)[c];
      if (promises_.torn_reads_beside_writes && seen.state == CellState::kTorn &&
          changed_during(request, request.first_cell + c))
        continue;
      judge(seen, request.first_cell + c, Fault::kStale, context, [&](std::uint32_t other) {
        const Request& write = requests[other];
        return write.answered() && write.answered_at < request.issued_at &&
               (one_view_ || write.connection == request.connection);
      });
    }
  }
  return std::move(violations_);
}

}  // namespace

std::vector<Violation> check_survivors(const History& history, const Image& before,
                                       const Image& after, const Promises& promises) {
  return Checker(history, before, promises).survivors(after);
}

std::vector<Violation> check_answers(const History& history, const Image& before,
                                     const Promises& promises) {
  return Checker(history, before, promises).answers();
}

}  // namespace tlog::crash
