#include "server/serve/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "server/serve/core.h"
#include "server/serve/reception.h"
#include "server/serve/registry.h"
#include "tlog/base/mutex.h"

namespace tlog::server {
namespace {

// Threads of each cluster, which wait for stores, for clients as well, or compute little.
constexpr unsigned kOpeners = 16;
constexpr unsigned kClosers = 16;
constexpr unsigned kReaders = 8;
constexpr std::uint64_t kLeavingNs = 2'500'000'000;

// What happens on the loop, for a thread that waits for it.
template <class Value>
class Answer {
 public:
  void give(Value value) {
    {
      MutexLock lock(mutex_);
      value_ = std::move(value);
    }
    changed_.notify_all();
  }
  std::optional<Value> wait(std::uint64_t timeout_ns) {
    const auto deadline = steady_now() + std::chrono::nanoseconds(timeout_ns);
    MutexLock lock(mutex_);
    while (!value_) {
      if (!changed_.wait_until(mutex_, deadline)) break;
    }
    return value_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::optional<Value> value_ GUARDED_BY(mutex_);
};

// For what strangers make the acceptor say, as often as they connect.
class NotingLogger final : public Logger {
 public:
  explicit NotingLogger(Core& core) : core_(core) {}
  void write(LogLevel level, std::string_view line) override { core_.note(level, line); }

 private:
  Core& core_;
};

class ServerImpl final : public Server {
 public:
  ServerImpl(ServerOptions options, Parts parts)
      : loop_(*parts.loop),
        core_(std::make_shared<Core>(std::move(options), parts)),
        acceptor_logger_(*core_),
        registry_(std::make_shared<Registry>(core_)),
        reception_(std::make_shared<Reception>(core_, registry_)) {}
  ~ServerImpl() override;

  Status begin();
  const std::string& address() const override { return address_; }
  ServerStatus status() const override;
  Result<std::shared_ptr<LogLook>> look(const std::string& vdisk,
                                        std::shared_ptr<LogLook> before) override {
    return look_at_log(core_, registry_, vdisk, before);
  }
  void set_tls(std::shared_ptr<const net::Tls> tls) override;
  bool stop(std::uint64_t budget_ns) override;

 private:
  bool store_all(std::uint64_t deadline_ns);
  void say_goodbye();

  io::Loop& loop_;
  const std::shared_ptr<Core> core_;
  NotingLogger acceptor_logger_;  // on the loop
  const std::shared_ptr<Registry> registry_;
  const std::shared_ptr<Reception> reception_;
  std::unique_ptr<net::Acceptor> acceptor_;
  std::string address_;
  std::optional<bool> stopped_;
};

Status ServerImpl::begin() {
  core_->openers.start(kOpeners, "tlog-open");
  core_->closers.start(kClosers, "tlog-close");
  core_->readers.start(kReaders, "tlog-read");
  net::AcceptorOptions options;
  options.address = core_->options.address;
  options.tls = core_->options.tls;
  options.handshake_timeout_ns = core_->options.hello_timeout_ns;
  TLOG_ASSIGN(
      acceptor_,
      net::listen(loop_, options, acceptor_logger_,
                  [weak = std::weak_ptr(reception_)](std::unique_ptr<net::Channel> channel) {
                    if (auto reception = weak.lock()) reception->arrived(std::move(channel));
                  }));
  address_ = acceptor_->address();
  core_->parts.logger->info(fmt::format("event=listening address={} server={} tls={}", address_,
                                        core_->id.text(), core_->options.tls ? "yes" : "no"));
  return {};
}

ServerStatus ServerImpl::status() const {
  ServerStatus status;
  const auto look = [&] {
    status.server = core_->id;
    status.address = address_;
    status.uptime_ns = core_->parts.clock->monotonic_ns() - core_->started_ns;
    status.connections = core_->connections;
    status.refused = core_->refused;
    status.records = core_->records;
    status.record_bytes = core_->record_bytes;
    status.stored_records = core_->stored_records;
    status.memory_bytes = core_->memory_bytes;
    status.memory_bytes_max = core_->options.memory_bytes_max;
    status.sessions = reception_->sessions();
    if (core_->options.repositories) status.repositories = core_->options.repositories();
    if (core_->options.publications) status.publications = core_->options.publications();
  };
  if (loop_.in_loop_thread())
    look();
  else
    io::run_on(loop_, look);
  return status;
}

void ServerImpl::set_tls(std::shared_ptr<const net::Tls> tls) {
  io::run_on(loop_, [&] {
    if (acceptor_) acceptor_->set_tls(std::move(tls));
  });
}

bool ServerImpl::stop(std::uint64_t budget_ns) {
  if (stopped_) return *stopped_;
  const std::uint64_t deadline = core_->parts.clock->monotonic_ns() + budget_ns;
  const bool all_stored = store_all(deadline);
  say_goodbye();
  core_->parts.logger->info(
      fmt::format("event=stopped address={} all_stored={}", address_, all_stored ? "yes" : "no"));
  stopped_ = all_stored;
  return all_stored;
}

// The sessions are still there, and hear of what is stored meanwhile.
bool ServerImpl::store_all(std::uint64_t deadline_ns) {
  auto answer = std::make_shared<Answer<bool>>();
  io::run_on(loop_, [&] {
    core_->stopping = true;
    core_->opens_no_more = true;
    acceptor_.reset();
    reception_->stop_receiving();
    registry_->close_all(deadline_ns, [answer](bool all_stored) { answer->give(all_stored); });
  });
  // A log that is closed in time has answered by then.
  constexpr std::uint64_t kGraceNs = 250'000'000;
  const std::uint64_t now = core_->parts.clock->monotonic_ns();
  const std::uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
  return answer->wait(left + kGraceNs).value_or(false);
}

void ServerImpl::say_goodbye() {
  auto answer = std::make_shared<Answer<bool>>();
  io::run_on(loop_, [&] {
    core_->when_no_connections = [answer] { answer->give(true); };
    reception_->end_sessions(
        Error(Code::kShutdown, "the server stops; another one with the same stores can go on"));
    if (core_->open_connections.empty()) answer->give(true);
  });
  (void)answer->wait(kLeavingNs);  // who has not gone by then is not waited for
}

// Without stop() what is not stored is lost here; the clients have it.
ServerImpl::~ServerImpl() {
  io::run_on(loop_, [&] {
    core_->stopping = true;
    core_->opens_no_more = true;
    core_->ended = true;
    core_->when_no_connections = {};
    acceptor_.reset();
    reception_->abandon();
    registry_->abandon();
  });
  core_->openers.stop();
  core_->readers.stop();
  core_->closers.stop();
  // What they have said to the loop comes before this, and may leave something to do.
  for (bool is_left = true; is_left;) {
    std::vector<io::Task> left;
    io::run_on(loop_, [&] { left.swap(core_->left); });
    is_left = !left.empty();
    for (const io::Task& task : left) task();
  }
}

}  // namespace

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Parts parts) {
  if (!options.open_stores)
    return fail(Code::kInvalidArgument, "start: server: it was not given any stores");
  auto server = std::make_unique<ServerImpl>(std::move(options), parts);
  TLOG_TRY(server->begin());
  return server;
}

}  // namespace tlog::server
