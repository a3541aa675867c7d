#include "server/client/remote_log.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/client/other_log.h"
#include "tlog/flush/claim.h"
#include "tlog/format/stripes.h"
#include "tlog/session/core.h"
#include "tlog/session/journal_records.h"

namespace tlog::client {
namespace {

// While somebody takes records, writers are paced by the arena; servers that take nothing for so
// long are not waited for: the journal has what the arena loses.
constexpr std::uint64_t kStuckNs = 250'000'000;

// Records as the vdisk's journal has them.
class JournalSource final : public RecordSource {
 public:
  explicit JournalSource(session::Core& core) : core_(core) {}

  Sequence end() const override { return core_.durable.value(); }

  Result<std::optional<protocol::Batch>> take(Sequence first, Sequence last,
                                              std::uint64_t bytes_wanted) override {
    const auto reach = session::reach_of(core_, first, std::min(last, end()), bytes_wanted);
    if (!reach) return std::optional<protocol::Batch>();
    TLOG_ASSIGN(auto copied, session::copy_records(core_, first, *reach));
    if (!copied) return std::optional<protocol::Batch>();
    note_taken(*reach);
    return std::optional<protocol::Batch>(
        protocol::Batch{std::move(copied->bytes), std::move(copied->records)});
  }

  // How long ago somebody took something that nobody had taken before.
  std::uint64_t idle_ns() const {
    const std::uint64_t now = core_.clock.monotonic_ns();
    const std::uint64_t taken = taken_ns_.load();
    return now > taken ? now - taken : 0;
  }

 private:
  // The foremost of the servers decides what the arena still has to keep.
  void note_taken(Sequence last) {
    MutexLock lock(core_.mutex());
    if (last < core_.next_seal) return;
    core_.next_seal = last + 1;
    core_.unsealed_since_ns = core_.clock.monotonic_ns();
    taken_ns_.store(core_.unsealed_since_ns);
    if (core_.waiting_for_room != 0) core_.room.notify_all();
  }

  session::Core& core_;
  std::atomic<std::uint64_t> taken_ns_{0};
};

class RemoteLog final : public session::LogSide {
 public:
  RemoteLog(const session::RemoteLogRequest& request)
      : clock_(request.context.environment.clock),
        floor_(request.floor),
        stripes_(request.context.vdisk.tlog.stripe_count()) {
    end_ = {.sequence = request.floor, .timestamp = request.timestamp};
  }

  Status open(const session::RemoteLogRequest& request);

  Epoch epoch() const override;
  session::LogEnd end() const override { return end_; }
  const session::LogAccess* access() const override { return nullptr; }
  void attach(session::Core& core, Told told) override {
    core_ = &core;
    told_ = std::move(told);
    source_ = std::make_unique<JournalSource>(core);
  }
  void start() override;
  void work_changed() override NO_THREAD_SAFETY_ANALYSIS;  // the core's mutex is held
  void work_here() override;
  void reconfigure(const session::ServedSettings&) override {}
  void stop_background() override {}
  void close(std::uint64_t deadline_ns) override;
  void close_stores() override {}
  std::string waits_for() const override { return client_->waiting_for(); }
  Status scrub(const flush::ScrubOptions&) override {
    return fail(Code::kNotSupported,
                fmt::format("scrub: {}: its log is kept by tlogservers, which scrub it themselves "
                            "(scrubEvery and scrubDeepEvery of their configuration; `tlogctl "
                            "server-status` shows it)",
                            core_->who()));
  }
  std::optional<Result<Sequence>> wait_slave_sync(Sequence target,
                                                  std::uint64_t timeout_ns) override;
  void stop_waiting() override {
    waiting_ended_ = true;
    if (core_ != nullptr) core_->stored.wake();
    client_->stop_waiting();
  }
  void add_status(session::VdiskStatus& status) const override;

 private:
  void stored(Sequence sequence);
  void received(Sequence sequence);
  void failed(const Error& error);
  Status wait_stored(Sequence target, std::uint64_t timeout_ns);
  std::string stripe_text(unsigned stripe) const;

  const Clock& clock_;
  const Sequence floor_;
  const unsigned stripes_;
  session::LogEnd end_;
  session::Core* core_ = nullptr;
  std::atomic<bool> waiting_ended_{false};
  Told told_;
  std::unique_ptr<JournalSource> source_;
  // Loop thread only: what is told before anybody listens.
  bool started_ = false;
  std::optional<Error> failure_;
  std::unique_ptr<LogClient> client_;  // goes first: until then it may tell of a failure
  // Told to the client; under the core's mutex.
  Sequence forced_ = 0;
  Sequence end_told_ = 0;
};

Result<ClientOptions> options_of(const session::RemoteLogRequest& request) {
  const config::Tlog& tlog = request.context.vdisk.tlog;
  ClientOptions options;
  options.servers = tlog.servers;
  options.stripes = tlog.stripe_count();
  if (tlog.tls.on) {
    const net::TlsOptions tls{.certificate_file = tlog.tls.certificate_file,
                              .key_file = tlog.tls.key_file,
                              .ca_file = tlog.tls.ca_file,
                              .psk_file = tlog.tls.psk_file,
                              .psk_identity = tlog.tls.psk_identity,
                              .verify_peer = tlog.tls.verify,
                              .expected_name = tlog.tls.server_name};
    TLOG_ASSIGN(options.tls,
                net::Tls::load(net::TlsSide::kClient, tls, request.context.environment.files));
  }
  options.concern = {.stored = tlog.write_concern, .received = tlog.received};
  const std::string owner = flush::claim_owner({});
  options.name = owner.substr(0, owner.find(' '));
  options.format = request.format;
  // The servers say what they are.
  options.format.data_shards = 0;
  options.format.parity_shards = 0;
  options.journal = request.journal;
  options.may_create = request.may_create;
  options.needed = request.floor;
  options.settings = {.flush_size = tlog.flush_size,
                      .flush_time_ns = tlog.flush_time_ns,
                      .write_quorum = tlog.write_quorum,
                      .slave_sync = tlog.slave_sync};
  options.key = request.context.key;
  options.insecure = tlog.insecure;
  return options;
}

Status RemoteLog::open(const session::RemoteLogRequest& request) {
  const session::OpeningContext& context = request.context;
  TLOG_ASSIGN(ClientOptions options, options_of(request));
  LogClient::Parts parts{.files = &context.environment.files,
                         .loop = &context.loop,
                         .workers = &context.workers,
                         .clock = &context.environment.clock,
                         .random = &context.environment.random,
                         .logger = &context.environment.logger,
                         .on_stored = [this](Sequence sequence) { stored(sequence); },
                         .on_received = [this](Sequence sequence) { received(sequence); },
                         .on_failed = [this](const Error& error) { failed(error); }};
  if (options.may_create && stripes_ == 1) {
    // Every striped log has these two.
    TLOG_TRY(check_no_log(options, parts,
                          {format::stripe_name(options.format.name, 0),
                           format::stripe_name(options.format.name, 1)}));
  }
  TLOG_ASSIGN(client_, LogClient::open(std::move(options), std::move(parts),
                                       context.vdisk.tlog.stall_timeout_ns));
  const protocol::LogPosition head = client_->head();
  if (client_->newest() > request.end) {
    return fail(Code::kCorruption,
                fmt::format("the servers' log goes on to sequence {}, the journal ends at {}: the "
                            "journal is an old copy, or another host has written this vdisk; use "
                            "the newest journal",
                            client_->newest(), request.end));
  }
  end_.timestamp = std::max(end_.timestamp, head.timestamp);
  return {};
}

void RemoteLog::start() {
  core_->loop.post([this] {
    started_ = true;
    if (failure_) failed(*std::exchange(failure_, std::nullopt));
  });
  client_->start(*source_, floor_);
}

void RemoteLog::stored(Sequence sequence) {
  told_.on_stored(sequence);
}

void RemoteLog::received(Sequence sequence) {
  core_->received.set(sequence);
}

void RemoteLog::failed(const Error& error) {
  if (!started_) {
    failure_ = error;
    return;
  }
  if (error.code() == Code::kFenced) {
    told_.on_fenced(error.message());
  } else {
    core_->fail_for_good(error.message());
  }
}

void RemoteLog::work_changed() {
  const bool blocked = source_->idle_ns() > kStuckNs;
  if (std::exchange(core_->seal_blocked, blocked) != blocked && core_->waiting_for_room != 0) {
    core_->room.notify_all();
  }
  const Sequence wanted = core_->draining ? core_->appended.load() : core_->forced;
  // Whatever next_seal says: one server may have taken it already, and the others know nothing.
  const Sequence durable = core_->durable.value();
  if (durable > end_told_) {
    end_told_ = durable;
    client_->more();
  }
  if (wanted > forced_) {
    forced_ = wanted;
    client_->force(wanted);
  }
}

void RemoteLog::work_here() {
  MutexLock lock(core_->mutex());
  work_changed();
}

void RemoteLog::close(std::uint64_t deadline_ns) {
  const std::uint64_t now = clock_.monotonic_ns();
  client_->close(deadline_ns > now ? deadline_ns - now : 0);
}

Epoch RemoteLog::epoch() const {
  Epoch newest = 0;
  for (const Marker& marker : client_->markers()) newest = std::max(newest, marker.epoch);
  return newest;
}

Status RemoteLog::wait_stored(Sequence target, std::uint64_t timeout_ns) {
  const Watermark::Outcome outcome = core_->stored.wait(target, timeout_ns, &waiting_ended_);
  if (outcome == Watermark::Outcome::kReached) return {};
  if (outcome == Watermark::Outcome::kPoisoned) {
    MutexLock lock(core_->mutex());
    if (core_->state == session::State::kFailed) {
      return fail(Code::kIoError,
                  fmt::format("wait for slave sync: {}: failed: {}", core_->who(), core_->reason));
    }
  }
  if (outcome != Watermark::Outcome::kTimeout) {
    return fail(Code::kShutdown,
                fmt::format("wait for slave sync: {}: the vdisk is closing", core_->who()));
  }
  return fail(Code::kTimeout,
              fmt::format("wait for slave sync: {}: sequence {} is not stored (stored: {}): {}",
                          core_->who(), target, core_->stored.value(), client_->waiting_for()));
}

std::optional<Result<Sequence>> RemoteLog::wait_slave_sync(Sequence target,
                                                           std::uint64_t timeout_ns) {
  const std::uint64_t began = clock_.monotonic_ns();
  client_->force(target);
  if (auto stored = wait_stored(target, timeout_ns); !stored)
    return Result<Sequence>(fail(stored.error()));
  const std::uint64_t used = clock_.monotonic_ns() - began;
  return client_->wait_slave_sync(timeout_ns > used ? timeout_ns - used : 0);
}

std::string RemoteLog::stripe_text(unsigned stripe) const {
  return stripes_ == 1 ? std::string() : fmt::format("{} of {}", stripe, stripes_);
}

void RemoteLog::add_status(session::VdiskStatus& status) const {
  status.log.waiting_for = client_->waiting_for();
  for (const Marker& marker : client_->markers()) {
    status.log_servers.push_back({.address = marker.address,
                                  .stripe = stripe_text(marker.stripe),
                                  .state = std::string(server_state_name(marker.state)),
                                  .reason = marker.reason,
                                  .sent = marker.sent,
                                  .received = marker.received,
                                  .stored = marker.stored,
                                  .synced = marker.synced,
                                  .connections = marker.connections,
                                  .resent_records = marker.resent_records,
                                  .round_trip_ns = marker.round_trip_ns});
  }
}

}  // namespace

Result<std::unique_ptr<session::LogSide>> open_remote_log(
    const session::RemoteLogRequest& request) {
  auto log = std::make_unique<RemoteLog>(request);
  TLOG_TRY(log->open(request));
  return std::unique_ptr<session::LogSide>(std::move(log));
}

}  // namespace tlog::client
