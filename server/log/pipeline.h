// File: server/log/pipeline.h
// Pipeline: a client's records on their way into the log: taken in order, their hashes verified in
// batches, gathered into aggregations, sealed, and given to the log's writer. Verifying and sealing
// are strands: records are verified while those before them are sealed and stored.
//
//   sequences:  stored ....... sealed ....... received ....... taken
//                (the log's writer)  (held here)
//
// Owner: the ServedLog. Threading: any thread, but for start(), stop() and drain(), which are its
// owner's and not for the loop's thread. What is told is told on the loop's thread.
// Memory: records are held until they are sealed; full() says when to take no more.
// Errors: a wrong hash ends the taking: what was received before is stored still. What the log's
// writer or the sealing fails with ends everything. Either is told once.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "server/protocol/batch.h"
#include "server/protocol/message.h"
#include "tlog/aggregation/aggregator.h"
#include "tlog/base/clock.h"
#include "tlog/base/mutex.h"
#include "tlog/base/watermark.h"
#include "tlog/flush/appending.h"
#include "tlog/io/loop.h"
#include "tlog/io/strand.h"

namespace tlog::server {

class Pipeline {
 public:
  struct Parts {
    aggregation::Policy policy;
    std::uint64_t memory_bytes_max = 0;
    io::Loop* loop = nullptr;
    io::Workers* workers = nullptr;
    const Clock* clock = nullptr;
    std::function<void()> hurry;  // what the stores are gathering shall be durable now
    std::function<void(Sequence)> on_received;
    std::function<void(Sequence)> on_stored;
    std::function<void()> on_room;
    std::function<void(const Error&)> on_failed;
  };
  explicit Pipeline(Parts parts);

  // How much of the memory the log's writer may have for what is sealed. The rest is for records,
  // and for the aggregation that is being sealed.
  static std::uint64_t sealed_bytes_max(std::uint64_t memory_bytes_max) {
    return memory_bytes_max / 4;
  }

  // `log` and `sealer` are borrowed, until stop() has returned.
  void start(const format::VdiskFormat& format, const seal::Sealer& sealer, flush::LogWriter& log,
             const walk::LogHead& head);
  // What the log's writer tells, also before start().
  void log_has_room() { seal_strand_.schedule(); }
  void fenced(const std::string& by);

  // See ServedLog.
  Status take(protocol::Batch batch);
  bool full() const { return full_.load(); }
  bool is_dead() const;  // nothing is stored any more
  void force(Sequence sequence);
  void settings(const aggregation::Policy& policy);
  Sequence taken() const;
  Sequence received() const;
  Sequence stored() const { return stored_.value(); }
  protocol::LogPosition position() const;
  // Of the newest aggregation that is stored; nothing: none was in this life.
  std::optional<format::AggregationReference> newest() const;
  std::uint64_t held_bytes() const;

  // Takes nothing any more, and waits until all that was taken is stored, or until the deadline:
  // whether it is.
  bool drain(std::uint64_t deadline_ns);
  // No step runs or begins any more, and nothing is given to the log.
  void stop();
  // When the log's writer has ended: nothing is told any more.
  void end();

 private:
  struct Held {
    protocol::Batch batch;
    std::size_t next = 0;  // the first record that is not sealed
    std::uint64_t bytes = 0;
    std::uint64_t arrived_ns = 0;  // monotonic
  };
  struct Job {
    std::vector<format::Record> records;
    bool urgent = false;
  };
  Status check(const protocol::Batch& batch) const REQUIRES(mutex_);
  bool is_inside(const format::Record& record) const REQUIRES(mutex_);
  bool verify_step();
  std::vector<Held*> unverified() const;
  void drop_from(std::size_t index) REQUIRES(mutex_);
  bool seal_step();
  bool gather(Job& job);
  bool due() const REQUIRES(mutex_);
  void release(std::size_t records) REQUIRES(mutex_);
  void note_room() REQUIRES(mutex_);
  void appended(const Status& status, const format::AggregationReference& reference);
  void fail_for_good(const Error& error);
  void news();
  void tell();
  void arm_timer();

  const Parts parts_;
  // Of records: where taking shall end, and where it may begin again.
  const std::uint64_t records_bytes_max_;
  const std::uint64_t records_bytes_low_;
  const std::uint64_t aggregation_bytes_max_;
  flush::LogWriter* log_ = nullptr;  // set by start(), before anything is taken
  std::unique_ptr<flush::Appending> appending_;

  mutable Mutex mutex_;
  aggregation::Policy policy_ GUARDED_BY(mutex_);
  std::uint64_t vdisk_size_ GUARDED_BY(mutex_) = 0;
  std::deque<std::unique_ptr<Held>> held_ GUARDED_BY(mutex_);
  std::size_t verified_ GUARDED_BY(mutex_) = 0;  // of held_, from its front
  std::uint64_t held_bytes_ GUARDED_BY(mutex_) = 0;
  std::uint64_t unsealed_bytes_ GUARDED_BY(mutex_) = 0;  // data of received records
  Sequence taken_ GUARDED_BY(mutex_) = 0;
  Sequence received_ GUARDED_BY(mutex_) = 0;
  Sequence sealed_ GUARDED_BY(mutex_) = 0;
  Sequence forced_ GUARDED_BY(mutex_) = 0;
  TimestampNs last_timestamp_ GUARDED_BY(mutex_) = 0;
  protocol::LogPosition position_ GUARDED_BY(mutex_);
  std::optional<format::AggregationReference> newest_ GUARDED_BY(mutex_);
  std::optional<Error> failed_ GUARDED_BY(mutex_);
  bool is_dead_ GUARDED_BY(mutex_) = false;     // nothing is stored any more
  bool is_closing_ GUARDED_BY(mutex_) = false;  // nothing is taken any more
  bool has_room_ GUARDED_BY(mutex_) = false;    // again; not told yet
  std::atomic<bool> full_{false};
  Watermark stored_;

  std::atomic<bool> news_posted_{false};
  // Loop thread only:
  Sequence received_told_ = 0;
  Sequence stored_told_ = 0;
  bool failure_told_ = false;
  bool death_told_ = false;  // after a wrong hash it goes on storing what was verified
  bool ended_ = false;
  io::TimerId timer_ = 0;

  io::Strand verify_strand_;
  io::Strand seal_strand_;
};

}  // namespace tlog::server
