#include "slave-sync/journal_source.h"

#include <algorithm>
#include <cstring>

namespace tlog::standby {
namespace {

// Where the entries' bytes are: in the arena they are copied, so that it can move on.
struct Taken {
  std::vector<journal::Entry> entries;
  bool pinned = false;
  const std::byte* memory = nullptr;
};

bool take_entries(session::Core& core, Sequence first, Sequence last, Taken& taken) {
  MutexLock lock(core.mutex());
  if (first < core.table_first || last >= core.table_end()) return false;
  for (Sequence s = first; s <= last; ++s) taken.entries.push_back(core.entry(s));
  const journal::Position begin = taken.entries.front().position;
  taken.memory = core.journal->in_arena(begin);
  if (taken.memory == nullptr) return true;
  core.journal->pin(begin);
  taken.pinned = true;
  return true;
}

// As far as whole aggregations reach with about so many bytes.
std::optional<format::AggregationReference> choose_end(session::Core& core, Sequence after,
                                                       std::uint64_t bytes_wanted) {
  const auto known = core.recent_log.behind(after);
  if (known.empty()) return std::nullopt;
  MutexLock lock(core.mutex());
  if (after + 1 < core.table_first || known.front().last_sequence >= core.table_end())
    return std::nullopt;
  const journal::Position begin = core.entry(after + 1).position;
  std::size_t end = 0;
  for (std::size_t i = 1; i < known.size() && known[i].last_sequence < core.table_end(); ++i) {
    if (core.entry(known[i].last_sequence).end() - begin > bytes_wanted) break;
    end = i;
  }
  return known[end];
}

}  // namespace

Result<std::optional<Fresh>> take_fresh(session::Core& core, Sequence after,
                                        std::uint64_t bytes_wanted) {
  const auto end = choose_end(core, after, bytes_wanted);
  Taken taken;
  if (!end || !take_entries(core, after + 1, end->last_sequence, taken)) {
    return std::optional<Fresh>();
  }
  const journal::Position begin = taken.entries.front().position;
  Fresh fresh;
  if (taken.pinned) {
    fresh.bytes = Buffer(taken.entries.back().end() - begin);
    std::memcpy(fresh.bytes.data(), taken.memory, fresh.bytes.size());
    MutexLock lock(core.mutex());
    core.journal->unpin(begin);
    if (core.waiting_for_room != 0) core.room.notify_all();
  } else {
    auto read = core.read_back(taken.entries);
    if (!read) {
      // Space that was released meanwhile has other records by now: the log has these.
      MutexLock lock(core.mutex());
      if (begin < core.journal->tail()) return std::optional<Fresh>();
      return fail(read.error());
    }
    fresh.bytes = std::move(*read);
  }
  for (std::size_t i = 0; i < taken.entries.size(); ++i) {
    const journal::Entry& entry = taken.entries[i];
    fresh.records.push_back(
        {.sequence = after + 1 + i,
         .offset = entry.offset,
         .size = entry.size,
         .operation = entry.operation,
         .timestamp = entry.timestamp,
         .hash = {},
         .data = {fresh.bytes.data() + (entry.data_position() - begin), entry.data_length}});
  }
  fresh.end = session::position_of(*end);
  return std::optional<Fresh>(std::move(fresh));
}

}  // namespace tlog::standby
