// File: tlog/blocks/block_server.h
// BlockServer: the blocks of one vdisk on one redis-protocol server: its connection, its record,
// and the right to change it. Behind ClusterStorage.
//
// What is guaranteed of the blocks on a server, with single commands only (no Lua, no MULTI):
//  * An older change never overwrites a newer one. One connection changes blocks at a time, in the
//    order of sequences, and executes its commands in order. The danger are bytes of an earlier
//    connection (of this process, of one that died, of another host) that the server has received
//    and not executed yet, for instance because it was stopped. So every connection gives itself a
//    name (CLIENT SETNAME) before it may change anything, and a new one, before it changes
//    anything, says its epoch (HSET writer), ends all others of the vdisk (CLIENT LIST, CLIENT
//    KILL) and looks again until there are none and the epoch is still its own. What an ended
//    connection had not executed is never executed. An earlier writer that connects again finds
//    either a higher epoch, and is refused, or is found in the list: it said its name before it
//    looked for the epoch.
//  * A record "applied up to sequence S by epoch E" is written after the changes up to S, on the
//    same connection, when all of them have been confirmed. Updates of records up to S are not sent
//    again. The record says nothing that is not there: a server that restarts without its newest
//    writes (a snapshot, an append-only file cut short) also has an older record.
//  * "applying up to sequence S by epoch E" is confirmed before the first change of a batch is
//    sent, and never goes back. So a batch that was cut short by its writer's death is seen by who
//    takes the vdisk over, also on a server that restarted.
//  * Each read asks for the record in the same command. Blocks of a server that was emptied (no
//    `id`), or that has less than was confirmed, or is another part or another vdisk's, are never
//    answered as the vdisk's.
//  * `id` is written where nothing else is: at creation, and when a refilling begins with nothing,
//    together with "applied up to 0". So where it is, all up to `applied` is. A step of a refilling
//    goes on from the sequence at which the one before has left the server, and counts only when
//    `id` is there before and after it: a server that was emptied or set back meanwhile, at any
//    moment, is noticed by the next step, or by the same one. One that was cut short is continued.
// What is not guaranteed: that a server keeps what it confirmed. That is its own durability.
//
// Threading: get(), change() and status calls from any thread; callbacks on the loop's thread, each
// exactly once, bounded by the connection's deadlines. Owner: shared with what is under way.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>

#include "tlog/base/mutex.h"
#include "tlog/blocks/block_batch.h"
#include "tlog/blocks/block_storage.h"
#include "tlog/store/lasting_name.h"
#include "tlog/store/resp_connection.h"

namespace tlog::blocks {

constexpr std::size_t kBlocksPerCommand = 256;  // of one reading

class BlockServer : public std::enable_shared_from_this<BlockServer> {
 public:
  struct Options {
    store::RespStoreOptions connection;
    ClusterLayout layout;
    std::size_t number = 0;  // of the server in the cluster
    bool create = false;     // the vdisk is new: an absent record is written
    Epoch epoch = 0;
    Sequence needed = 0;    // what it must have
    Sequence possible = 0;  // and cannot have more
    std::vector<Fork> forks = {};
    bool follows = false;  // see ClusterStorageOptions
    bool discards = false;
  };
  // The blocks that were asked for, in their order; kNil is one that was never written.
  class Found {
   public:
    Found(std::shared_ptr<const store::RespReply> reply, std::size_t first)
        : reply_(std::move(reply)), first_(first) {}
    Found behind(std::size_t blocks) const { return {reply_, first_ + blocks}; }
    const store::RespReply& block(std::size_t i) const { return reply_->elements[first_ + i]; }

   private:
    std::shared_ptr<const store::RespReply> reply_;  // shared with who asked at the same time
    std::size_t first_;
  };
  using GetDone = std::function<void(Result<Found>)>;
  using ChangeDone = std::function<void(Status)>;
  struct Change {
    // May have other servers' blocks among its ranges of zeros, not among its data. Both must stay
    // valid until `done`.
    std::shared_ptr<const BlockChanges> changes;
    Sequence upto = 0;
    // A refilling's: only on a server that has all up to here and no further. Otherwise only on
    // one that lacks nothing.
    std::optional<Sequence> from = {};
    std::string chain = {};  // kept with `upto`, see FollowStep; "": nothing
  };
  using PositionDone = std::function<void(Result<PartPosition>)>;

  BlockServer(Options options, io::Loop& loop, Logger& logger);

  void open();
  void close();
  // See Store::move_to(); which part of the vdisk is there is checked as after every connecting.
  void move_to(const store::RespStoreOptions& connection);
  // What is asked for while commands are under way goes into one command behind them.
  void get(std::vector<std::uint64_t> indexes, bool must_be_current, GetDone done);
  void change(Change change, ChangeDone done);
  // What was found lacking() still `has` this, and can be refilled from there: with 0, what may be
  // left of its blocks is removed.
  void begin_refill(Sequence has, ChangeDone done);
  // The same whatever is there.
  void start_over(ChangeDone done);
  void ask_position(PositionDone done);
  // It is the active storage's from now on, and has all up to here: whatever is asked of it later
  // finds that, or that it lacks something.
  void stop_following(Sequence upto);
  // Asks for a sign of life, unless that is under way; status() tells what came of it.
  void look();

  const std::string& name() const { return name_.get(); }
  bool usable() const { return usable_; }  // the last thing heard of it was good
  std::optional<Lacking> lacking() const;
  PartStatus status() const;

 private:
  friend class ServerChange;
  struct Read {
    std::vector<std::uint64_t> indexes;
    bool must_be_current = true;
    GetDone done;
  };

  // All on the loop's thread.
  void greet(store::RespConnection& connection, const store::ServerInfo& info);
  Status check_first(const store::RespReply& reply);
  Status check_others(const store::RespReply& reply);
  Status check_last(const store::RespReply& reply);
  Status be_used(const ServerRecord& record, Sequence reach);
  Status begin_anew(const ServerRecord& record);
  std::string divergence() const;
  Status diverged(const ServerRecord& record, const std::string& why);
  Status check_owner(const ServerRecord& record) const;
  // Whether blocks that came with this record are the vdisk's newest.
  Status trust(const ServerRecord& record, Sequence needed);
  void assess(const ServerRecord& record);
  void note_lacking(Sequence has);
  void note_current();
  Error lacks_error() const;
  Error other_than_left_error() const;
  void wipe(ChangeDone done);
  std::string applying_command(Sequence upto);
  std::string record_command(std::size_t more_words) const;
  void submit(std::string command, store::ReplyDone done);
  void ask_for_reads();
  std::vector<Read> take_reads();
  void ask(std::vector<Read> reads);
  Result<Found> check_answer(Result<store::RespReply> reply, std::size_t expected,
                             bool must_be_current, Sequence needed);

  const Options options_;
  const std::string key_;
  store::LastingName name_;
  io::Loop& loop_;
  Logger& logger_;
  const std::shared_ptr<store::RespHealth> health_ = std::make_shared<store::RespHealth>();
  const std::shared_ptr<store::RespConnection> connection_;
  std::atomic<bool> usable_ = false;
  std::atomic<bool> follows_;
  std::atomic<bool> is_looking_ = false;
  std::atomic<bool> changes_fail_ = false;  // the last change did: it can perhaps be read only

  // The loop's thread only.
  std::string client_;             // this connection's name
  bool by_address_ = false;        // ardb knows only the older CLIENT KILL
  Epoch last_writer_ = 0;          // before this one
  unsigned rounds_ = 0;            // of ending others
  std::uint64_t incarnation_ = 0;  // of the connection; grows when it may be used
  Sequence needed_;                // confirmed by it in this life, or before
  Sequence possible_;
  Sequence reach_ = 0;  // of what it was sent, by whomever; known when it is connected
  bool lacks_ = false;
  unsigned asking_ = 0;  // commands of readers that are under way
  bool is_asking_ = false;

  mutable Mutex mutex_;
  std::optional<Lacking> lacking_ GUARDED_BY(mutex_);
  std::string diverged_ GUARDED_BY(mutex_);    // why what it has is not the vdisk's; "": it is
  std::deque<Read> reads_ GUARDED_BY(mutex_);  // that wait for a command
};

}  // namespace tlog::blocks
