#include "tlog/flush/claim.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "tlog/walk/gather.h"
#include "tlog/walk/log_reader.h"

namespace tlog::flush {
namespace {

using Marks = walk::Gather<store::EpochMarks>::Answers;
using Enough = walk::Gather<store::EpochMarks>::Enough;

Marks ask_all(const ClaimPlace& place, const store::EpochClaim* claim, const Enough& enough) {
  walk::Gather<store::EpochMarks> gather(place.stores.size());
  for (std::size_t i = 0; i < place.stores.size(); ++i) {
    store::ServerIdentity* identity = place.stores[i]->identity();
    if (identity == nullptr) {
      gather.slot(i)(store::EpochMarks{});
    } else if (claim == nullptr) {
      identity->epochs(gather.slot(i));
    } else {
      identity->claim(*claim, gather.slot(i));
    }
  }
  return gather.wait(enough);
}

bool is_server(const ClaimPlace& place, std::size_t store) {
  return place.stores[store]->identity() != nullptr;
}

Epoch newest_in(const store::EpochMarks& marks) {
  Epoch newest = 0;
  if (!marks.claims.empty()) newest = marks.claims.rbegin()->first;
  if (!marks.closed.empty()) newest = std::max(newest, marks.closed.rbegin()->first);
  return newest;
}

Epoch newest_in(const Marks& answers) {
  Epoch newest = 0;
  for (const auto& answer : answers) {
    if (answer && *answer) newest = std::max(newest, newest_in(**answer));
  }
  return newest;
}

std::vector<Epoch> epochs_between(Epoch first, Epoch last) {
  std::vector<Epoch> epochs;
  for (Epoch epoch = std::max<Epoch>(1, first); epoch <= last; ++epoch) epochs.push_back(epoch);
  return epochs;
}

bool has_closed(const store::EpochMarks& marks, const std::vector<Epoch>& epochs) {
  return std::all_of(epochs.begin(), epochs.end(),
                     [&](Epoch epoch) { return marks.closed.contains(epoch); });
}

// Why those that are not good are not.
std::string describe(const ClaimPlace& place, const Marks& answers) {
  std::string reasons;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (answers[i] && *answers[i]) continue;
    reasons +=
        fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", place.stores[i]->name(),
                    answers[i] ? answers[i]->error().message() : std::string("no answer in time"));
  }
  return reasons;
}

std::vector<bool> fenced_of(const ClaimPlace& place, const Marks& answers,
                            const std::vector<Epoch>& epochs) {
  std::vector<bool> fenced(answers.size());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    fenced[i] =
        !is_server(place, i) || (answers[i] && *answers[i] && has_closed(**answers[i], epochs));
  }
  return fenced;
}

std::size_t count(const std::vector<bool>& flags) {
  return static_cast<std::size_t>(std::count(flags.begin(), flags.end(), true));
}

std::vector<bool> granted_by(const ClaimPlace& place, const Marks& answers,
                             const store::EpochClaim& claim) {
  std::vector<bool> granted = fenced_of(place, answers, claim.close);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (!granted[i] || !is_server(place, i)) continue;
    const store::EpochMarks& marks = **answers[i];
    auto holder = marks.claims.find(claim.epoch);
    granted[i] = holder != marks.claims.end() && holder->second == claim.owner &&
                 !marks.closed.contains(claim.epoch);
  }
  return granted;
}

Epoch newest_epoch(const format::Metadata& metadata) {
  return metadata.epochs.empty() ? 0 : metadata.epochs.back().epoch;
}

// Behind all that were ever claimed.
Epoch next_epoch(const ClaimPlace& place, const format::Metadata& metadata) {
  const Marks answers = ask_all(place, nullptr, [&](const Marks& so_far) {
    const auto good = std::count_if(so_far.begin(), so_far.end(), [](const auto& answer) {
      return answer && answer->has_value();
    });
    return static_cast<std::size_t>(good) >= place.grants;
  });
  return std::max(newest_epoch(metadata), newest_in(answers)) + 1;
}

// Others have claimed epochs behind the newest of `read`, and they are closed by now. Had one of
// them come so far that it could write, its metadata is on a quorum, and what it wrote must not be
// passed over.
Status check_nobody_wrote(const ClaimPlace& place, const format::Metadata& read, Epoch epoch) {
  TLOG_ASSIGN(walk::MetadataFound now, walk::read_metadata(place.vdisk, place.stores));
  if (newest_epoch(now.metadata) == newest_epoch(read)) return {};
  return fail(
      Code::kFenced,
      fmt::format("claim epoch {}: another writer ({}) has opened the vdisk meanwhile; try "
                  "again",
                  epoch, now.metadata.epochs.empty() ? "?" : now.metadata.epochs.back().writer));
}

// Somebody else who has this epoch, or has closed it already; "" when nobody has.
std::string rival(const Marks& answers, const store::EpochClaim& claim) {
  for (const auto& answer : answers) {
    if (!answer || !*answer) continue;
    const store::EpochMarks& marks = **answer;
    if (auto closer = marks.closed.find(claim.epoch); closer != marks.closed.end())
      return closer->second;
    auto holder = marks.claims.find(claim.epoch);
    if (holder != marks.claims.end() && holder->second != claim.owner) return holder->second;
  }
  return "";
}

}  // namespace

std::string host_name() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host = {'?'};
  return host.data();
}

std::string claim_owner(const Uuid& journal, const Uuid& opening) {
  const std::string process = fmt::format("{}:{}", host_name(), getpid());
  if (!opening.is_nil()) {
    return fmt::format("{} (journal {}, opening {})", process, journal.text(), opening.text());
  }
  return journal.is_nil() ? process : fmt::format("{} (journal {})", process, journal.text());
}

Result<Closed> close_epochs(const ClaimPlace& place, Epoch from, const std::string& owner) {
  Epoch last = std::max(from, newest_in(ask_all(place, nullptr, {})));
  for (;;) {
    const store::EpochClaim closing{
        .epoch = 0, .owner = owner, .close = epochs_between(from, last)};
    const Marks answers = ask_all(place, &closing, {});
    Closed closed{.last = last, .fenced = fenced_of(place, answers, closing.close)};
    if (count(closed.fenced) < place.fences()) {
      return fail(Code::kUnavailable,
                  fmt::format("close epoch {}: {} of {} stores closed it, {} needed: {}", last,
                              count(closed.fenced), place.stores.size(), place.fences(),
                              describe(place, answers)));
    }
    const Epoch newest = newest_in(answers);
    if (newest <= last) return closed;
    last = newest;  // somebody has claimed another one meanwhile
  }
}

Result<Epoch> choose_epoch(const ClaimPlace& place, const format::Metadata& metadata,
                           const std::string& owner) {
  const Epoch epoch = next_epoch(place, metadata);
  const Epoch known = newest_epoch(metadata);
  if (epoch == known + 1) return epoch;
  TLOG_ASSIGN(Closed closed, close_epochs(place, known, owner));
  TLOG_TRY(check_nobody_wrote(place, metadata, closed.last + 1));
  return closed.last + 1;
}

Result<store::EpochClaim> claim_epoch(const ClaimPlace& place, const format::Metadata& metadata,
                                      Epoch epoch, const std::string& owner) {
  const Epoch last = newest_epoch(metadata);
  store::EpochClaim claim{.epoch = epoch, .owner = owner, .close = epochs_between(last, epoch - 1)};
  const std::size_t needed = std::max(place.grants, place.fences());
  const Marks answers = ask_all(place, &claim, [&](const Marks& so_far) {
    return count(granted_by(place, so_far, claim)) >= needed;
  });
  const std::size_t granted = count(granted_by(place, answers, claim));
  if (granted < needed) {
    const std::string other = rival(answers, claim);
    if (!other.empty()) {
      return fail(Code::kFenced,
                  fmt::format("claim epoch {}: {} opens the vdisk for writing at the same time; "
                              "only one can have it, try again when that one has ended",
                              epoch, other));
    }
    return fail(Code::kUnavailable,
                fmt::format("claim epoch {}: {} of {} stores reachable, {} needed: {}", epoch,
                            granted, place.stores.size(), needed, describe(place, answers)));
  }
  bool others = false;
  for (const auto& answer : answers) {
    if (!answer || !*answer) continue;
    for (const auto& [other, holder] : (*answer)->claims) {
      others = others || (other > last && other != epoch);
    }
  }
  if (others) TLOG_TRY(check_nobody_wrote(place, metadata, epoch));
  // A server that was away for long has missed the closing of earlier ones too.
  claim.close = epochs_between(1, epoch - 1);
  return claim;
}

void hold_epoch(const ClaimPlace& place, const store::EpochClaim& claim) {
  for (store::Store* store : place.stores) {
    if (store->identity() != nullptr) store->identity()->hold(claim);
  }
}

Epoch fenced_from(const format::Metadata& metadata) {
  const std::vector<format::EpochEntry>& known = metadata.epochs;
  return known.size() < 2 ? 0 : known[known.size() - 2].epoch;
}

Status check_still_fenced(const format::Metadata& fenced, const format::Metadata& found) {
  const Epoch now = newest_epoch(found);
  if (now >= fenced_from(fenced) && now <= newest_epoch(fenced)) return {};
  return fail(
      Code::kFenced,
      fmt::format("open vdisk '{}' for writing: {} has opened it in epoch {} meanwhile; try "
                  "again if it is not to go on",
                  found.format.name, found.epochs.empty() ? "somebody" : found.epochs.back().writer,
                  now));
}

void forget_claims(const ClaimPlace& place, const format::Metadata& metadata) {
  const std::vector<format::EpochEntry>& known = metadata.epochs;
  if (known.size() < 2) return;
  const store::EpochClaim forgetting{
      .epoch = 0, .owner = {}, .close = {}, .forget = known[known.size() - 2].epoch};
  for (store::Store* store : place.stores) {
    store::ServerIdentity* identity = store->identity();
    if (identity != nullptr) identity->claim(forgetting, [](const Result<store::EpochMarks>&) {});
  }
}

}  // namespace tlog::flush
