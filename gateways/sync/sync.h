// Brings two logset repositories to the same state, both ways: what one has and the other lacks is
// pulled from the one and pushed to the other while it comes. Nothing is kept here.
//
// Threading: any thread; it starts one of its own for the time of a call. Errors: those of
// transfer(). What was handed over whole before one stays.
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

Result<LogLengths> offsets_of(const SiteAccess& site);
// How much of `source` `target` does not have.
std::uint64_t bytes_lacking(const LogLengths& source, const LogLengths& target);

}  // namespace tlog::logset
