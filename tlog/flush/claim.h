// File: tlog/flush/claim.h
// One writer at a time, on hosts that know nothing of each other: who wants to write closes all
// epochs before its own on so many servers that their writers can commit nothing any more, and
// claims the next on a quorum, of which any two have a server in common. Source of the idea: the
// epochs of Viewstamped Replication and Paxos ballots, with add-only marks instead of compare and
// swap, because the servers have no more (docs/durability.md, "One writer").
//
// Stores without an identity (directories) have one writer by their lock, and grant everything.
// Threading: not from the loop's thread: waits for the stores, not for ever.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tlog/format/metadata.h"
#include "tlog/store/store.h"

namespace tlog::flush {

struct ClaimPlace {
  std::string vdisk;
  std::vector<store::Store*> stores;
  std::size_t grants = 0;  // needed for an epoch: a quorum of the metadata
  // No earlier writer can have had a lower one.
  unsigned least_write_quorum = 0;

  // Stores on which earlier epochs must be closed, so that their writers are left with too few for
  // an aggregation, and for a generation of the metadata.
  std::size_t fences() const {
    return std::max(stores.size() + 1 - least_write_quorum, stores.size() / 2 + 1);
  }
};

std::string host_name();  // of the system
// "host:pid (journal <uuid>)": no two claims have the same. Who only closes may have no journal yet.
// `opening`: of a writer whose journal is somewhere else, so that others may write with it too, and
// whose host name and pid may be those of another container.
std::string claim_owner(const Uuid& journal, const Uuid& opening = {});

struct Closed {
  Epoch last = 0;            // all up to it
  std::vector<bool> fenced;  // per store: they are closed on it
};
// Closes `from` and every later epoch that anybody has claimed. kUnavailable when too few stores
// answer.
Result<Closed> close_epochs(const ClaimPlace& place, Epoch from, const std::string& owner);

// The epoch to claim, for the vdisk that was found with `metadata`: behind all that were ever
// claimed. Before anything is marked on a server: whoever has claimed one since may be filling an
// emptied server already, under a mark that is not in that metadata. kFenced: so it is.
// kUnavailable: too few stores to tell.
Result<Epoch> choose_epoch(const ClaimPlace& place, const format::Metadata& metadata,
                           const std::string& owner);
// Claims it. The result is for ServerIdentity::hold(). kUnavailable: too few stores. kFenced:
// another writer was quicker.
Result<store::EpochClaim> claim_epoch(const ClaimPlace& place, const format::Metadata& metadata,
                                      Epoch epoch, const std::string& owner);
void hold_epoch(const ClaimPlace& place, const store::EpochClaim& claim);
// From where on who has found `metadata` closes epochs: from the one before its newest, because
// that one may be on too few stores to be found again, and then the one before it is the newest.
Epoch fenced_from(const format::Metadata& metadata);
// For who has fenced the writers of `fenced` and then read the log with the metadata `found`:
// kFenced when somebody has begun to write in between, whose epoch is perhaps not closed, so
// that what he commits would be missed.
Status check_still_fenced(const format::Metadata& fenced, const format::Metadata& found);
// Forgets the claim of the epoch before the newest of `metadata`, for the writer of a later one
// whose own metadata is on a quorum. Not before: a claim is how the metadata of its epoch is found,
// and that of later ones may have been written to a few stores only. Does not wait.
void forget_claims(const ClaimPlace& place, const format::Metadata& metadata);

}  // namespace tlog::flush
