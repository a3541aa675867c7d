#include "server/client/stripe_source.h"

#include <fmt/format.h>

#include <algorithm>

namespace tlog::client {

Result<std::optional<protocol::Batch>> StripeSource::take(Sequence first, Sequence last,
                                                          std::uint64_t bytes_wanted) {
  const Sequence begin = map_.global_of(index_, first);
  const Sequence wanted_last = map_.global_of(index_, std::max(first, last));
  const Sequence end = std::min(map_.end_of_unit(begin), wanted_last);
  TLOG_ASSIGN(std::optional<protocol::Batch> taken, source_.take(begin, end, bytes_wanted));
  if (!taken) return taken;
  std::vector<format::Record>& records = taken->records;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (records[i].sequence != begin + i || records[i].sequence > end) {
      return fail(Code::kCorruption, fmt::format("take: records {} to {}: the source gave {}",
                                                 begin, end, records[i].sequence));
    }
    records[i].sequence = first + i;
  }
  return taken;
}

}  // namespace tlog::client
