// StripedClient: LogClient over several logs, the stripes, among which the records of one are dealt
// out (format/stripes.h): each stripe is a log of its own, with a LogClient and servers of its own,
// that knows nothing of the others. Here are only the sums: what all stripes have, in the whole
// log's numbers.
//
// A stripe whose servers are away does not keep the others from going on: what they store beyond
// its last record does not count until it has caught up, and the source keeps it. All are wanted
// for opening.
//
// Threading: as LogClient. Durability: stored(): the stripes together have all up to it, each at as
// many servers as the write concern says. Errors: those of the stripes, with the stripe's name.
// kCorruption: the stripes end at different places, and nobody has what lies between: to go on
// would give a sequence two contents.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "server/client/log_client.h"
#include "server/client/stripe_source.h"
#include "tlog/format/stripes.h"

namespace tlog::client {

class StripedClient final : public LogClient {
 public:
  StripedClient(ClientOptions options, Parts parts);
  ~StripedClient() override;
  Status connect(std::uint64_t timeout_ns);  // open() of the interface

  protocol::LogPosition head() const override { return head_; }
  Sequence newest() const override { return newest_; }
  bool created() const override;
  void start(RecordSource& source, Sequence floor) override;
  void more() override;
  void force(Sequence sequence) override;
  Sequence stored() const override { return stored_; }
  Sequence received() const override { return received_; }
  Sequence stored_by(unsigned servers) const override;  // of each stripe
  std::vector<Marker> markers() const override;
  std::string waiting_for() const override;
  Result<Sequence> wait_slave_sync(std::uint64_t timeout_ns) override;
  void stop_waiting() override {}  // nobody waits: wait_slave_sync() is refused
  bool close(std::uint64_t budget_ns) override;

 private:
  ClientOptions options_of(unsigned index) const;
  std::string name_of(unsigned index) const;  // "stripe 1 of 2 (vm1.stripe1)"
  Status open_stripe(unsigned index, std::uint64_t timeout_ns);
  Status check_no_other_log() const;
  void find_head();
  Error uneven() const;
  void advance();  // loop's thread
  void failed(unsigned index, const Error& error);

  const ClientOptions options_;
  const Parts parts_;
  const format::StripeMap map_;
  protocol::LogPosition head_;
  Sequence newest_ = 0;
  bool even_ = true;
  std::atomic<Sequence> stored_{0};
  std::atomic<Sequence> received_{0};
  std::atomic<bool> failed_{false};
  std::atomic<bool> started_{false};
  std::atomic<bool> closed_{false};
  std::atomic<bool> all_is_stored_{false};
  std::vector<std::unique_ptr<StripeSource>> sources_;
  std::vector<std::unique_ptr<LogClient>> stripes_;  // go first
};

}  // namespace tlog::client
