// File: slave-sync/follower.h
// Follower: brings one cluster's blocks to what the log has stored, and keeps them there. Step 8 of
// a write's way.
//
// Reads the log through the one walker, beside its writer, lays a batch of aggregations over each
// other, and gives it to all servers at once, each on the condition that it is where the batch goes
// on from. With the batch each server keeps the position {epoch, sequence, aggregation, hash}: so a
// crash anywhere is continued exactly, and a cluster of another history is told from one that is
// merely behind. A server that was emptied is brought up from the log's beginning.
//
// Nothing is held back for it: neither the journal nor the writer waits. Threading: one thread,
// which may wait for the servers' and the stores' deadlines; position() from any.
// Errors: kUnavailable, kTimeout: try again, also when it is the log that is damaged. kCorruption:
// the cluster has diverged, and nothing else has. kShutdown.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "slave-sync/followed.h"
#include "tlog/base/mutex.h"

namespace tlog::standby {

class Follower {
 public:
  struct Options {
    std::vector<store::RespStoreOptions> servers;
    bool discard = false;               // what is not the vdisk's is emptied instead of refused
    std::function<bool()> stopping;     // any thread
    std::function<void()> on_progress;  // position() has become another
  };
  // `vdisk` outlives it.
  Follower(Followed& vdisk, Options options);

  // Connects; answers when that is under way.
  Status open();
  // Brings all servers to everything that was stored when it was called, or returns the reason why
  // not. What it has come to counts. `ask`: where they are is asked first, not remembered: one may
  // have been emptied since.
  Status catch_up(bool ask);
  // That all servers have.
  session::SyncPosition position() const;
  std::uint64_t applied_bytes() const { return applied_bytes_.load(); }
  // What the servers themselves say now.
  struct Said {
    Sequence all_have = 0;
    std::optional<session::SyncPosition> position;  // when all name the same, and are there
  };
  Result<Said> ask_servers();
  // What the log has there.
  Result<session::SyncPosition> log_at(AggregationNumber number);
  // After open(). Any thread.
  std::shared_ptr<blocks::BlockStorage> storage() const {
    MutexLock lock(mutex_);
    return storage_;
  }

 private:
  struct Batch {
    std::vector<walk::Visited> aggregations;  // keep the records' data
    std::vector<format::Record> records;      // dense
    session::SyncPosition end;                // of the last of them
    std::uint64_t bytes = 0;
  };
  Status look();
  void find_reached();
  Status verify(const std::string& server, const blocks::PartPosition& found);
  Status read_log();
  Status bring_from_log(Sequence after, Sequence upto);
  Result<AggregationNumber> first_wanted(Sequence after);
  Sequence all_have() const;
  Status bring(const Batch& batch);
  Status bring_those_at(Sequence from, const Batch& batch);
  void note_position();
  session::SyncPosition position_of(const walk::Visited& visited) const;
  std::string server_name(std::size_t part) const;

  Followed& vdisk_;
  const Options options_;
  bool may_discard_;
  std::shared_ptr<blocks::BlockStorage> storage_;  // written under mutex_
  std::unique_ptr<walk::LogReader> reader_;
  bool is_placed_ = false;         // `at_` is what the servers have
  std::vector<Sequence> at_;       // per server
  std::string verified_;           // the newest chain text that the log was found to have
  session::SyncPosition reached_;  // the end of the newest batch

  mutable Mutex mutex_;
  session::SyncPosition position_ GUARDED_BY(mutex_);
  std::atomic<std::uint64_t> applied_bytes_{0};
};

}  // namespace tlog::standby
