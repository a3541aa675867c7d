#include "tlog/session/scrub_plan.h"

#include <algorithm>
#include <cstring>

namespace tlog::session {
namespace {

constexpr std::uint64_t kShares = 1000;

std::uint64_t share_of(const Uuid& vdisk) {
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, vdisk.bytes.data(), sizeof(bytes));
  return bytes % kShares;
}

flush::ScrubFound sum(const flush::ScrubFound& before, const flush::ScrubStatus& status) {
  return {.missing = before.missing + status.missing,
          .wrong = before.wrong + status.wrong,
          .unreachable = before.unreachable + status.unreachable,
          .mended = before.mended + status.mended};
}

bool is_unsettled(const flush::ScrubPass& pass) {
  return pass.last.mended < pass.last.missing + pass.last.wrong;
}

}  // namespace

ScrubPlan::ScrubPlan(const flush::ScrubRecord& record, const Uuid& vdisk, TimestampNs opened)
    : record_(record), share_(share_of(vdisk)), opened_(opened) {
  for (const bool deep : {false, true}) life(deep).unsettled = is_unsettled(record_.of(deep));
}

TimestampNs ScrubPlan::spread_at(std::uint64_t interval_ns) const {
  return opened_ + std::min(kSpreadMaxNs, interval_ns / 10) / kShares * share_;
}

std::optional<ScrubPlan::Run> ScrubPlan::due(const ScrubIntervals& intervals, TimestampNs now) {
  opened_ = std::min(opened_, now);
  for (const bool deep : {false, true}) {
    const std::uint64_t interval = intervals.of(deep);
    if (interval == 0) continue;
    flush::ScrubPass& pass = record_.of(deep);
    // The first one comes somewhere in the second half of the interval.
    if (pass.since == 0) pass.since = now - std::min(now - 1, interval / 2 / kShares * share_);
    pass.since = std::min(pass.since, now);
    if (next_at(deep, intervals) > now) continue;
    const bool continues = life(deep).begun && pass.began != 0;
    return Run{.deep = deep, .first = pass.done + 1, .continues = continues};
  }
  return std::nullopt;
}

TimestampNs ScrubPlan::next_at(bool deep, const ScrubIntervals& intervals) const {
  const std::uint64_t interval = intervals.of(deep);
  const flush::ScrubPass& pass = record_.of(deep);
  if (interval == 0 || pass.since == 0) return 0;
  const bool at_once = pass.began != 0 || life(deep).unsettled;
  return std::max(spread_at(interval), at_once ? 0 : pass.since + interval);
}

void ScrubPlan::begun(bool deep, TimestampNs now) {
  flush::ScrubPass& pass = record_.of(deep);
  if (life(deep).begun && pass.began != 0) return;  // it goes on
  if (pass.began == 0) pass.began = now;
  life(deep) = {.begun = true, .before = pass.found, .status = {}, .unsettled = false};
  life(deep).status.settled = pass.done;
}

void ScrubPlan::came_to(bool deep, const flush::ScrubStatus& status, TimestampNs now) {
  Life& one = life(deep);
  flush::ScrubPass& pass = record_.of(deep);
  if (!one.begun) return;
  one.status = status;
  const flush::ScrubFound found = sum(one.before, status);
  if (pass.began == 0) {
    pass.last = found;  // only what has been mended since can have changed
    return;
  }
  pass.done = status.done;
  pass.found = found;
  if (!status.complete) return;
  pass = {.since = now, .began = 0, .done = 0, .found = {}, .finished = now, .last = found};
}

flush::ScrubRecord ScrubPlan::to_keep() const {
  flush::ScrubRecord record = record_;
  for (const bool deep : {false, true}) {
    flush::ScrubPass& pass = record.of(deep);
    const Life& one = life(deep);
    if (pass.began == 0 || !one.begun) continue;
    pass.done = std::min(pass.done, one.status.settled);
    pass.found.missing -= std::min(pass.found.missing, one.status.missing_left);
    pass.found.wrong -= std::min(pass.found.wrong, one.status.wrong_left);
  }
  return record;
}

}  // namespace tlog::session
