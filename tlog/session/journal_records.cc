#include "tlog/session/journal_records.h"

#include <algorithm>
#include <cstring>

#include "tlog/base/limits.h"

namespace tlog::session {
namespace {

// Where the entries' bytes are: in the arena they are copied, so that it can move on.
struct Taken {
  std::vector<journal::Entry> entries;
  bool pinned = false;
  const std::byte* memory = nullptr;
};

bool take_entries(Core& core, Sequence first, Sequence last, Taken& taken) {
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

}  // namespace

Result<std::optional<CopiedRecords>> copy_records(Core& core, Sequence first, Sequence last) {
  Taken taken;
  if (!take_entries(core, first, last, taken)) return std::optional<CopiedRecords>();
  const journal::Position begin = taken.entries.front().position;
  CopiedRecords copied;
  if (taken.pinned) {
    copied.bytes = Buffer(taken.entries.back().end() - begin);
    std::memcpy(copied.bytes.data(), taken.memory, copied.bytes.size());
    MutexLock lock(core.mutex());
    core.journal->unpin(begin);
    if (core.waiting_for_room != 0) core.room.notify_all();
  } else {
    auto read = core.read_back(taken.entries);
    if (!read) {
      // Space that was released meanwhile has other records by now: the log has these.
      MutexLock lock(core.mutex());
      if (begin < core.journal->tail()) return std::optional<CopiedRecords>();
      return fail(read.error());
    }
    copied.bytes = std::move(*read);
  }
  copied.records.reserve(taken.entries.size());
  for (std::size_t i = 0; i < taken.entries.size(); ++i) {
    const journal::Entry& entry = taken.entries[i];
    copied.records.push_back(
        {.sequence = first + i,
         .offset = entry.offset,
         .size = entry.size,
         .operation = entry.operation,
         .timestamp = entry.timestamp,
         .hash = {},
         .data = {copied.bytes.data() + (entry.data_position() - begin), entry.data_length}});
  }
  return std::optional<CopiedRecords>(std::move(copied));
}

std::optional<Sequence> reach_of(Core& core, Sequence first, Sequence last,
                                 std::uint64_t bytes_wanted) {
  MutexLock lock(core.mutex());
  if (first < core.table_first || first >= core.table_end() || last < first) return std::nullopt;
  last = std::min({last, core.table_end() - 1, first + kAggregationRecordsMax - 1});
  const journal::Position begin = core.entry(first).position;
  Sequence reach = first;
  while (reach < last && core.entry(reach + 1).end() - begin <= bytes_wanted) ++reach;
  return reach;
}

}  // namespace tlog::session
