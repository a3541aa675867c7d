// File: tlog/store/store.h
// Store: one failure domain that keeps named values (shards, metadata, index pages) of ONE vdisk: a directory of
// segment files, one redis-protocol server, or memory. Step 6 of a write's way. Replication over several stores,
// quorum and retry are not here but in tlog/flush.
//
// Threading: every call from any thread; callbacks run on the loop's thread, each exactly once.
// Durability: a put is durable, as far as this store can make it so, when its callback says success. Puts are
// idempotent: the same key with the same bytes may be put again; the newest bytes of a key win.
// Errors: kNotFound only when the key is provably absent; a store that cannot tell answers kUnavailable.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tlog/base/buffer.h"
#include "tlog/base/log.h"
#include "tlog/base/types.h"
#include "tlog/io/loop.h"
#include "tlog/store/identity.h"

namespace tlog::store {

struct PutOptions {
  // Somebody waits for this put. Otherwise the store may gather for a moment so that one sync serves many puts.
  bool urgent = false;
  // Puts again what a restarted server may have lost: allowed while it does not count yet.
  bool mending = false;
};

using PutDone = std::function<void(Status)>;
using GetDone = std::function<void(Result<Buffer>)>;
using StatDone = std::function<void(Result<std::uint64_t>)>;  // length of the value
using ScanDone = std::function<void(Result<std::vector<std::string>>)>;

// What a store is good for at the moment. docs/operations.md has the remedies.
enum class StoreState {
  kConnecting,
  kUp,
  kSuspect,     // restarted: what it may have lost is being verified; ordinary puts do not count
  kRebuilding,  // was emptied and is being filled again: new puts count
  kFull,        // no puts, reads go on
  kBusy,        // loading its data, in a script, no replicas, too many clients: passes
  kDown,
  kReadOnly,  // a replica
  kWiped,     // what it kept of the vdisk is gone; neither puts nor misses count
  kMismatch,  // another server than the one that is known in this place
  kFenced,    // the writer's epoch was closed on it: another one takes the vdisk over
  kRefused,   // must not or cannot be used as it is configured
  kClosed,
};
std::string_view state_name(StoreState state);  // "up", "read-only", ...

struct StoreStatus {
  std::string name;            // "directory log/0", "redis 127.0.0.1:6379@0"
  bool usable = false;         // the last thing heard of it was good
  StoreState state = StoreState::kUp;  // kUp and not usable: down
  std::string condition;       // "up", "connecting", "no space", ...; the reason and the remedy, for people
  std::string server;          // its uuid, "" when it has none or it is not known
  std::string warning;         // of a store that works and is not configured well
  std::uint64_t put_bytes = 0;
  std::uint64_t get_bytes = 0;
  std::uint64_t errors = 0;
  std::uint64_t queued_bytes = 0;
};

struct RespStoreOptions;  // store/stores.h

class Store {
 public:
  virtual ~Store() = default;

  // The pieces, one after the other, become the value of `key`. They must stay valid until `done`.
  virtual void put(std::string key, std::vector<ConstByteSpan> pieces, PutOptions options, PutDone done) = 0;
  virtual void get(std::string key, GetDone done) = 0;
  virtual void stat(std::string key, StatDone done) = 0;
  virtual void remove(std::string key, PutDone done) = 0;
  // Keys that begin with `prefix` and are greater than `after`, ascending, at most `limit`.
  virtual void scan(std::string prefix, std::string after, std::size_t limit, ScanDone done) = 0;
  // Ends gathering: what was put so far is made durable now.
  virtual void hurry() = 0;

  // Null for a store that cannot be mistaken for another, nor lose everything and go on.
  virtual ServerIdentity* identity() { return nullptr; }

  virtual StoreStatus status() const = 0;
  virtual const std::string& name() const = 0;  // the reference stays valid, also when the name changes
  // From now on the server of this place is reached like this: at another address, with another password, within
  // another time. Who is there is decided by its identity(), as after every connecting. What is under way fails with
  // kUnavailable when the connection has to be made anew. Nothing for a store that is no server.
  virtual void move_to(const RespStoreOptions& options) { (void)options; }
  // Finishes or fails what is under way, then calls `done`; nothing may be called afterwards.
  virtual void close(std::function<void()> done) = 0;
};

// Calls that wait, for opening, tools and tests. Never from the loop's thread.
Status put_and_wait(Store& store, std::string key, ConstByteSpan value);
Status remove_and_wait(Store& store, std::string key);
Result<Buffer> get_and_wait(Store& store, std::string key);
Result<std::uint64_t> stat_and_wait(Store& store, std::string key);
Result<std::vector<std::string>> scan_and_wait(Store& store, std::string prefix, std::string after,
                                               std::size_t limit);
void close_and_wait(Store& store);

}  // namespace tlog::store
