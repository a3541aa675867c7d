#include "slave-sync/journal_source.h"

#include "tlog/session/journal_records.h"

namespace tlog::standby {
namespace {

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
  if (!end) return std::optional<Fresh>();
  TLOG_ASSIGN(auto copied, session::copy_records(core, after + 1, end->last_sequence));
  if (!copied) return std::optional<Fresh>();
  Fresh fresh;
  fresh.bytes = std::move(copied->bytes);
  fresh.records = std::move(copied->records);
  fresh.end = session::position_of(*end);
  return std::optional<Fresh>(std::move(fresh));
}

}  // namespace tlog::standby
