// Master: the node that takes messages: gives them their ids, stores them in its own log, and sends
// to the secondaries what that log has stored, never before. So no id ever has two texts, and what
// a secondary has is a prefix of this log, whoever is killed when.
//
//   append() -> id and order, under one lock -> the own log (group commit) -> stored: w = 1
//                                                   -> the secondaries, by LogClient: w = 2 ... n
//
// Opening runs on a thread of its own, and again until it succeeds: see opening.h. Until then
// nothing is taken, and nothing is shown.
//
// Threading: any thread; start() once, stop() and the destructor block.
// Durability: see MessageLog. A message that nobody confirmed may be there all the same.
// Errors: a log that was fenced, or whose stores have failed for good, takes nothing until the
// process is started again; it is still read.
#pragma once

#include <atomic>
#include <thread>

#include "gateways/messages/heartbeat.h"
#include "gateways/messages/message_log.h"
#include "gateways/messages/opening.h"
#include "gateways/messages/reading.h"
#include "gateways/messages/recent.h"
#include "gateways/messages/waiters.h"
#include "server/client/log_client.h"
#include "server/log/served_log.h"
#include "tlog/base/mutex.h"

namespace tlog::messages {

class Master final : public MessageLog, private client::RecordSource {
 public:
  Master(MasterOptions options, NodeParts parts);
  ~Master() override;
  void start();

  const std::string& name() const override { return options_.name; }
  Role role() const override { return Role::kMaster; }
  unsigned nodes() const override { return nodes_; }
  std::string master() const override { return ""; }
  Result<Appended> append(std::string_view text, unsigned w,
                          const std::function<bool()>& gone) override;
  Result<Sequence> stored() override;
  Result<Sequence> read(Sequence first, Sequence last, const Visitor& visitor) override;
  void wait_more(Sequence known, std::uint64_t timeout_ns) override;
  LogHealth health() override;
  void stop() override;

 private:
  // RecordSource, of the secondaries: what the own log has stored.
  Sequence end() const override { return stored_; }
  Result<std::optional<protocol::Batch>> take(Sequence first, Sequence last,
                                              std::uint64_t bytes_wanted) override;

  void open_until_it_is();
  Status open();
  Status begin_sending();
  void hear_secondaries();
  void stored_more(Sequence sequence);
  void progressed();
  void failed(const Error& error);
  void commit() EXCLUDES(mutex_);
  protocol::Batch batch_of(Sequence first, Sequence last) const REQUIRES(mutex_);
  Result<std::optional<protocol::Batch>> take_stored(Sequence first, Sequence last,
                                                     std::uint64_t bytes);
  Sequence stored_by(unsigned nodes) const;
  Status may_append() REQUIRES(mutex_);
  struct Waiting;
  Result<Appended> wait(Waiting& waiting, const std::function<bool()>& gone) EXCLUDES(mutex_);
  LogHealth look_at_nodes() const;

  static constexpr std::uint64_t kQuorumLookNs = 20'000'000;

  const MasterOptions options_;
  const NodeParts parts_;
  const unsigned nodes_;
  const unsigned quorum_;
  std::unique_ptr<server::ServedLog> log_;     // set before is_open_
  std::unique_ptr<client::LogClient> client_;  // likewise; null: no secondaries
  std::thread opener_;
  std::atomic<bool> stopping_{false};
  std::atomic<Sequence> stored_{0};  // by the own log

  mutable Mutex mutex_;
  CondVar changed_;  // stop, for the opener; more is stored, for who follows
  bool is_open_ GUARDED_BY(mutex_) = false;
  std::string not_open_ GUARDED_BY(mutex_) = "it is being opened";
  std::optional<Error> failed_ GUARDED_BY(mutex_);
  Sequence last_ GUARDED_BY(mutex_) = 0;       // given
  Sequence committed_ GUARDED_BY(mutex_) = 0;  // given to the own log, or just being given
  TimestampNs newest_ GUARDED_BY(mutex_) = 0;  // never goes back
  std::uint64_t quorum_looked_ns_ GUARDED_BY(mutex_) = 0;
  std::string no_quorum_ GUARDED_BY(mutex_);
  Recent recent_ GUARDED_BY(mutex_);
  Waiters waiters_ GUARDED_BY(mutex_);
};

}  // namespace tlog::messages
