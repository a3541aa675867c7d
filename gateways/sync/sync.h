// Brings two logset repositories to the same state, both ways: what one has and the other lacks is
// pulled from the one and pushed to the other while it comes, a piece at a time (pieces.h). Nothing
// is kept here.
//
// Threading: any thread; it starts one of its own for the time of a call. Errors: those of
// SiteConnection. The pieces that the target has taken before one stay, and the next call goes on
// behind them.
#pragma once

#include "gateways/logset/grammar.h"
#include "gateways/sync/transfer.h"

namespace tlog::logset {

struct OneWay {
  std::uint64_t lacked_bytes = 0;   // by the target, when this began
  std::uint64_t sent_bytes = 0;     // of logs
  std::uint64_t lacking_bytes = 0;  // afterwards: what the source has got meanwhile counts
  std::uint64_t logs_sent = 0;
};

Result<OneWay> sync_one_way(const SiteAccess& source, const SiteAccess& target);

// How much of `source` `target` does not have.
std::uint64_t bytes_lacking(const LogLengths& source, const LogLengths& target);

}  // namespace tlog::logset
