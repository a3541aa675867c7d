// Client: LogClient as it is: one Link per server, and what concerns several of them: whose log
// counts, which of two that write one log is sent to, who is filled from whom, what is stored.
//
// Two servers that write one log fence each other by opening it. So at most one of those that are
// known to is connected, the others stand by; when it turns out that two are (nobody knows before
// the first Welcome), the one with the higher epoch, which has fenced the other, stays.
//
// Threading: the links, and all that is not said to be otherwise, on the loop's thread.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/client/agreement.h"
#include "server/client/batches.h"
#include "server/client/board.h"
#include "server/client/filling.h"
#include "server/client/link.h"
#include "tlog/base/mutex.h"
#include "tlog/base/use_gate.h"

namespace tlog::client {

class Client final : public LogClient, private Link::Owner {
 public:
  Client(ClientOptions options, Parts parts);
  ~Client() override;
  Status connect(std::uint64_t timeout_ns);  // open() of the interface

  protocol::LogPosition head() const override { return head_; }
  bool created() const override { return created_; }
  void start(RecordSource& source, Sequence floor) override;
  void more() override;
  void force(Sequence sequence) override;
  Sequence stored() const override { return stored_; }
  Sequence received() const override { return received_; }
  Sequence stored_by(unsigned servers) const override { return board_.stored_by(servers); }
  std::vector<Marker> markers() const override { return board_.markers(); }
  std::string waiting_for() const override;
  Result<Sequence> wait_slave_sync(std::uint64_t timeout_ns) override;
  void stop_waiting() override;
  bool close(std::uint64_t budget_ns) override;

 private:
  // Of the links.
  bool may_create(const Link& link) const override;
  bool may_take_over(const Link& link) const override;
  std::optional<std::string> must_stand_by(const Link& link) const override;
  void welcomed(Link& link) override;
  void attached(Link& link) override;
  void progressed(Link& link) override;
  void replied(Link& link, const protocol::Reply& reply) override;
  void records(Link& link, Buffer body) override;
  void has_room(Link& link) override;
  void ended(Link& link, const Connection::End& end) override;
  void lacks(Link& link, Sequence first) override;
  void source_failed(const Error& error) override;
  Batches* batches() override;

  void begin_sending(RecordSource& source, Sequence floor);
  void refused(Link& link, const Error& error);
  void wake_standing();
  bool others_have_the_log(const Link& link) const;
  bool another_may_be_the_same(const Link& link) const;
  bool is_of_this_log(Link& link);
  void give_up(const Error& error);
  void advance();
  void tell_progress() const;
  bool everything_is_stored() const;
  bool is_late() const;
  void run(const io::Task& task);  // on the loop, and waits for it, unless it is there already
  void post(io::Task task);        // unless it is closed

  // Opening.
  void look_at_opening();
  bool creation_is_settled();
  bool may_be_new() const;
  bool everybody_was_tried();
  unsigned away_max() const;
  bool enough_logs() const;
  unsigned away() const;
  unsigned empty_logs() const;
  bool logs_agree();
  bool leave_out_the_wrong(const std::vector<Link*>& logs, const Histories& histories,
                           std::size_t right);
  void say_undecided(const std::vector<Link*>& logs, const Histories& histories);
  Sequence newest_stored() const;
  std::string what_is_missing() const;
  std::optional<Error> hopeless() const;
  void opened(Status status);

  // Waiting for the standbys.
  struct StandbyWait {
    Sequence target = 0;
    std::uint64_t deadline_ns = 0;               // monotonic
    std::map<std::size_t, std::uint64_t> asked;  // by link: the request's id
    std::set<std::size_t> put_off;               // links: they could not say now, are asked again
    std::map<std::size_t, Error> passing;        // by link: why it could not say last
    std::map<Uuid, Sequence> reached;            // by log
    std::map<std::size_t, Error> failed;
    std::optional<Result<Sequence>> outcome;
  };
  void ask_for_standby(StandbyWait& wait);
  void note_synced(StandbyWait& wait, const Link& link, Sequence synced);
  void standby_replied(Link& link, const protocol::Reply& reply);
  void ask_again_later(const std::shared_ptr<StandbyWait>& wait, std::size_t index,
                       const Error& why);
  void look_at(StandbyWait& wait);
  void settle(StandbyWait& wait, Result<Sequence> outcome);
  bool drained() const;

  const ClientOptions options_;
  const Parts parts_;
  Board board_;
  std::shared_ptr<int> life_ = std::make_shared<int>();
  const std::weak_ptr<int> alive_{life_};  // for other threads
  const std::shared_ptr<UseGate> gate_ = std::make_shared<UseGate>();
  std::vector<std::unique_ptr<Link>> links_;
  std::unique_ptr<Filling> filling_;
  std::unique_ptr<Batches> batches_;
  std::unique_ptr<Agreement> agreement_;  // while it is opened
  std::string undecided_;
  std::vector<unsigned> fenced_;  // by link: how often in a row
  Sequence floor_ = 0;
  bool closing_ = false;
  bool is_open_ = false;
  bool creating_ = false;  // it is known that there is no log
  std::optional<Error> failed_;
  io::TimerId grace_ = 0;
  bool grace_is_over_ = false;
  std::vector<std::shared_ptr<StandbyWait>> standby_waits_;

  std::atomic<bool> more_posted_{false};
  std::atomic<Sequence> forced_{0};
  std::atomic<Sequence> stored_{0};
  std::atomic<Sequence> received_{0};
  std::atomic<std::uint64_t> stored_ns_{0};  // monotonic, when stored_ has grown
  std::atomic<std::uint64_t> forced_ns_{0};  // likewise, when there was something to force
  std::atomic<RecordSource*> source_{nullptr};
  // Set before open() returns.
  protocol::LogPosition head_;
  bool created_ = false;

  mutable Mutex mutex_;  // for who waits
  CondVar changed_;
  bool is_opening_ GUARDED_BY(mutex_) = false;
  std::optional<Status> opened_ GUARDED_BY(mutex_);
  bool drained_ GUARDED_BY(mutex_) = false;
  bool waiting_ended_ GUARDED_BY(mutex_) = false;
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace tlog::client
