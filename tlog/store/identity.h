// File: tlog/store/identity.h
// Who a store is. A directory is where it is; a server behind an address can be emptied, restarted,
// replaced or mistaken for another, and then "I have no such key" says nothing about what was
// stored. So a server is known by a uuid kept in it, and by a mark in it that says which vdisk
// keeps shards there, as which server, since which epoch. What a vdisk knows of its servers is in
// its metadata, on all its stores (docs/durability.md, "Servers").
//
// Threading: every call from any thread; it holds for the requests that are made afterwards.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tlog/base/types.h"

namespace tlog::store {

// A mark's `since` grows with every marking of the server, so that a mark that was made anew is never
// taken for the one before: the epoch of the first marking, and for one of an emptied server the
// epoch times this, and a count.
inline constexpr Epoch kMarksPerEpoch = 1'000'000;  // more than there are epochs
inline Epoch marked_in(Epoch since) {
  return since < kMarksPerEpoch ? since : since / kMarksPerEpoch;
}
inline Epoch next_since(Epoch last, Epoch epoch) {
  return std::max(last + 1, epoch * kMarksPerEpoch);
}

// What a vdisk knows of one of its servers.
struct KnownServer {
  Uuid server;               // nil: none has been used in this place yet
  Epoch since = 0;           // of its mark: see marked_in()
  std::string address = {};  // where it was then, for people
  bool rebuilding =
      false;  // it was emptied since, and what it should have is still being put again
  friend bool operator==(const KnownServer&, const KnownServer&) = default;
};

struct Expectation {
  Uuid vdisk;
  std::size_t index = 0;  // of this store among the vdisk's
  std::vector<KnownServer>
      servers;  // of all of them, in order; may be shorter: the rest is unknown
  friend bool operator==(const Expectation&, const Expectation&) = default;
};

// What a server has of a vdisk's epochs. A writer claims an epoch on a quorum of servers, after it
// has closed all before it; a claim is never taken over, a closing never undone. So of two writers
// that claim one epoch at most one gets a quorum, and what a closed epoch's writer puts afterwards
// does not count (docs/durability.md, "One writer").
struct EpochMarks {
  std::map<Epoch, std::string> claims;  // by whom; those of long ago may be gone
  std::map<Epoch, std::string> closed;  // by whom
};
using EpochMarksDone = std::function<void(Result<EpochMarks>)>;

struct EpochClaim {
  Epoch epoch = 0;           // 0: none is claimed, only closed
  std::string owner;         // who claims and closes: no two of them are the same
  std::vector<Epoch> close;  // epochs before it
  // A claim of so long ago that it can be forgotten, because a later one was won; 0: none.
  Epoch forget = 0;
};

struct ServerEvent {
  enum class Kind {
    kEnrolled,     // it is the expected one, or has just been marked: `server`
    kUnreachable,  // the first attempt after enroll() failed; it is tried on and on
    kRestarted,    // it may have lost its newest values: see ServerIdentity::vouch()
    kWiped,        // what it kept of the vdisk is gone
    kFenced,       // the writer's epoch is closed on it: `by`
  };
  Kind kind = Kind::kUnreachable;
  KnownServer server;       // kEnrolled
  // kEnrolled: the server has been restarted since a writer settled() its life last, so that
  // anything that it had confirmed may be gone. It counts all the same.
  bool restarted = false;
  std::string run = {};     // kEnrolled: which life of the server it is
  std::uint64_t doubt = 0;  // kRestarted, and kEnrolled when that follows: what vouch() wants
  std::string by = {};      // kFenced: who closed it
};

class ServerIdentity {
 public:
  using Listener = std::function<void(const ServerEvent&)>;
  virtual ~ServerIdentity() = default;

  // From now on the server must be the one that is expected: otherwise every request fails, with
  // kUnavailable when it was wiped and kInvalidArgument when it is another one. A miss counts as
  // kNotFound, and a put as stored, only when the server still had the mark *after* it.
  virtual void expect(Expectation expectation) = 0;

  // For the one writer of the vdisk, after expect(): connects anew, marks a server that has no mark
  // yet and is not expected to have one, and tells `listener` (on the loop's thread) what happens
  // to the server, now and after every later connection.
  virtual void enroll(Epoch epoch, Listener listener) = 0;

  // After kRestarted ordinary puts fail until the writer says here that it has verified what the
  // server had confirmed, and put again what was lost (PutOptions::mending). An older `doubt` than
  // the last is ignored.
  virtual void vouch(std::uint64_t doubt) = 0;

  // Whatever the server had lost when its life `run` began has been put again: it notes that, so
  // that no later writer looks for it. Until then every writer's kEnrolled says `restarted`.
  virtual void settle(std::string run) = 0;

  // The marks of epochs, as they are now. For readers too.
  virtual void epochs(EpochMarksDone done) = 0;

  // Closes and claims, then answers the marks as they are behind that: whether the claim was
  // granted here is to be seen in them. May be repeated.
  virtual void claim(EpochClaim claim, EpochMarksDone done) = 0;

  // For the writer that has won its claim: the server gets these marks again whenever it is found
  // without them. From now on a put counts only when the epoch was not closed there after it.
  virtual void hold(EpochClaim claim) = 0;

  // The writer has ended: the store is as it was before enroll(), good for reading.
  virtual void retire() = 0;

  // After kWiped: take the empty server into use again, under its old uuid, with a new mark.
  virtual void readopt() = 0;
};

}  // namespace tlog::store
