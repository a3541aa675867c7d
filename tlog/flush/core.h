// File: tlog/flush/core.h
// Core: the log writer's state on the loop's thread: appends in order, the commit rule, the memory
// that shards hold, and when the metadata is due. LogWriter (log_writer.cc) is the door to it for
// the other threads.
//
// Threading: the loop's thread only, except where a member says otherwise.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tlog/base/mutex.h"
#include "tlog/flush/hinted_stores.h"
#include "tlog/flush/hints_file.h"
#include "tlog/flush/lanes.h"
#include "tlog/flush/log_writer.h"
#include "tlog/flush/metadata_keeper.h"
#include "tlog/flush/pages.h"
#include "tlog/flush/repair.h"
#include "tlog/flush/scrubs.h"
#include "tlog/flush/servers.h"

namespace tlog::flush {

class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(LogWriter::Parts parts, format::Metadata metadata, AggregationNumber committed);

  // Makes itself known to its servers as the writer of `epoch`; then records() of them are in the
  // metadata.
  void enroll(Epoch epoch, std::function<void()> all_told);
  // See Servers::in_the_way().
  std::vector<std::size_t> servers_in_the_way() const { return servers_->in_the_way(); }
  void server_found_whole(std::size_t store) { servers_->found_whole(store); }
  Status check_servers() const { return servers_->check_different(); }
  void claim(std::function<void()> on_quorum);  // publishes the metadata it was made with
  std::string describe_claim() const { return keeper_->describe(); }
  void start(std::unique_ptr<HintsFile>
                 hints);  // after the claim; without a file nothing outlives the process

  void append(shard::ShardSet shards, format::AggregationReference reference, bool urgent,
              std::function<void(Status)> done);
  Status scrub(const ScrubOptions& options);
  void end_background_scrub();
  void mend(AggregationNumber number, const std::vector<walk::BadShard>& shards);
  // `done` when a quorum has it, or when the writer ends.
  void place_blocks(const format::BlockPlace& place, std::function<void(Status)> done);
  void close(std::uint64_t deadline_ns, std::function<void()> done);
  void stop();  // at once; what is under way answers to nobody

  // Any thread.
  bool may_append() const { return buffered_bytes_.load() < parts_.buffered_bytes_max; }
  void reserve(std::uint64_t bytes) { buffered_bytes_ += bytes; }
  LogWriterStatus status() const;
  std::uint64_t buffered_bytes() const { return buffered_bytes_.load(); }
  const LogWriter::Parts& parts() const { return parts_; }
  std::shared_ptr<const walk::LogPlace> read_place() const { return read_place_; }

 private:
  struct Pending {
    std::shared_ptr<PutItem> item;
    format::AggregationReference reference;
    std::uint64_t bytes = 0;   // of memory
    std::uint32_t stored = 0;  // a bit per shard
    bool committed = false;
    std::function<void(Status)> done;
  };
  void make_lanes();
  void make_repair();
  void make_pages();
  void make_scrubs();
  void start_servers();
  void note_servers();
  bool take_back(std::size_t store, AggregationNumber number);
  void take_back_all(std::size_t store);
  void suspect(std::size_t store, bool is_suspect);
  unsigned confirmations(AggregationNumber number, const Pending& pending) const;
  void fenced(const std::string& by);
  void stop_with(const Error& error);
  void take_hints();
  AggregationNumber complete() const;
  walk::Run run() const;
  void put_answered(AggregationNumber number, unsigned index, bool stored);
  void commit_what_is_ready();
  void note_committed(const format::AggregationReference& reference);
  void release(AggregationNumber number);
  void forget_memory(std::map<AggregationNumber, Pending>::iterator pending);
  // core_hints.cc
  using Pendings = std::map<AggregationNumber, Pending>;
  std::vector<unsigned> unhinted(const Pendings::value_type& pending) const;
  HintedShards::Name name_of(const Pendings::value_type& pending, unsigned index) const;
  void keep_to_the_budget();
  void leave_memory(Pendings::iterator pending);
  void hint(std::vector<HintedShards::Given> shards);
  void hinted(const std::vector<HintedShards::Given>& shards, const Status& status);
  bool all_is_hinted();
  void hints_give_back();
  void publish_metadata(std::function<void()> on_quorum);
  void refresh_status();
  void hints_changed();
  void save_hints(std::function<void()> done);
  void try_to_finish_closing(bool deadline_passed);
  void last_step_done();
  bool nothing_under_way() const;

  LogWriter::Parts parts_;
  const shard::Geometry geometry_;
  const unsigned write_quorum_;
  format::Metadata metadata_;
  const std::shared_ptr<const walk::LogPlace> place_;
  // The epochs are those of the opening as long as the writer lives.
  const std::function<Epoch(AggregationNumber)> epoch_of_;
  const std::shared_ptr<HintedStores> completed_;
  const std::shared_ptr<const walk::LogPlace> read_place_;  // completed by what is hinted
  std::shared_ptr<Lanes> lanes_;
  std::shared_ptr<MetadataKeeper> keeper_;
  std::shared_ptr<Repair> repair_;
  std::shared_ptr<Servers> servers_;  // of a writer that has enrolled
  std::set<std::size_t> suspects_;    // stores: see confirmations()
  std::shared_ptr<Pages> pages_;
  std::unique_ptr<Scrubs> scrubs_;
  std::shared_ptr<HintsFile> hints_file_;

  std::map<AggregationNumber, Pending> pending_;  // not yet on all their stores
  AggregationNumber committed_ = 0;
  std::uint64_t committed_bytes_ = 0;  // of memory, of those in pending_
  std::uint64_t missing_ = 0;          // shards of those that are not stored
  std::uint64_t uncommitted_ = 0;      // in pending_
  AggregationNumber published_ = 0;    // the head hint in the newest metadata
  std::uint64_t placings_ = 0;
  std::map<std::uint64_t, std::function<void(Status)>> placing_;  // not on a quorum yet
  bool full_ = false;                                             // may_append() was false
  bool stopped_ = false;
  Error ended_{Code::kShutdown, ""};  // why it is stopped

  io::TimerId hints_timer_ = 0;
  bool hints_saving_ = false;
  bool hints_full_told_ = false;
  bool hints_again_ = false;             // they changed meanwhile
  std::function<void()> hints_waiting_;  // for the next saving

  bool closing_ = false;
  bool finishing_ = false;
  unsigned last_steps_ = 0;  // of closing, that have not ended
  io::TimerId close_timer_ = 0;
  std::function<void()> closed_;

  std::atomic<std::uint64_t> buffered_bytes_{0};
  mutable Mutex status_mutex_;
  LogWriterStatus status_ GUARDED_BY(status_mutex_);
  std::vector<LaneState> lane_states_ GUARDED_BY(status_mutex_);
  AggregationNumber oldest_ GUARDED_BY(status_mutex_) = 0;  // that has not committed; 0: none
};

}  // namespace tlog::flush
