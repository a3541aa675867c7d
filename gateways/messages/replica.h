// Replica: a secondary's view of a log of messages: what this node's tlogserver has stored of it,
// read beside the session that the master writes through, or from the stores when it is away.
//
// Threading, errors: see MessageLog. The server is borrowed, and outlives it.
#pragma once

#include <memory>

#include "gateways/messages/message_log.h"
#include "gateways/messages/recent.h"
#include "server/serve/server.h"
#include "tlog/base/mutex.h"

namespace tlog::messages {

class Replica final : public MessageLog {
 public:
  struct Options {
    std::string name;
    std::string master;  // its URL, for people
    std::uint64_t recent_bytes_max = 32 * kMiB;
  };
  Replica(Options options, server::Server& server)
      : options_(std::move(options)), server_(server), recent_(options_.recent_bytes_max) {}

  const std::string& name() const override { return options_.name; }
  Role role() const override { return Role::kSecondary; }
  unsigned nodes() const override { return 1; }
  std::string master() const override { return options_.master; }
  Result<Appended> append(std::string_view text, unsigned w,
                          const std::function<bool()>& gone) override;
  Result<Sequence> stored() override;
  Result<Sequence> read(Sequence first, Sequence last, const Visitor& visitor) override;
  void wait_more(Sequence known, std::uint64_t timeout_ns) override;
  LogHealth health() override;
  void stop() override;

 private:
  // Null: there is no such log here yet.
  Result<std::shared_ptr<server::LogLook>> look() REQUIRES(mutex_);
  Result<Sequence> look_how_far() REQUIRES(mutex_);
  // read(), but that they are visited by who does not hold the lock.
  Result<Sequence> copy(Sequence first, Sequence last, std::vector<Message>& messages)
      EXCLUDES(mutex_);
  // The newest ones, as far as they adjoin what is remembered.
  Status remember(server::LogLook& look, Sequence stored) REQUIRES(mutex_);

  const Options options_;
  server::Server& server_;
  Mutex mutex_;  // readings take turns
  CondVar stopped_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::shared_ptr<server::LogLook> kept_ GUARDED_BY(mutex_);
  Uuid log_ GUARDED_BY(mutex_);  // of recent_
  Recent recent_ GUARDED_BY(mutex_);
};

}  // namespace tlog::messages
