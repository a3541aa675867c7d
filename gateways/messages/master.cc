#include "gateways/messages/master.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <cstring>

#include "server/client/memory_log.h"
#include "tlog/base/assert.h"

namespace tlog::messages {
namespace {

constexpr std::uint64_t kRetryNs = 1'000'000'000;
// Who waits looks so often whether his client is still there.
constexpr std::uint64_t kGoneNs = 1'000'000'000;
// Of one commit: more waits for the next one.
constexpr std::size_t kCommitRecordsMax = 8192;
constexpr std::uint64_t kCommitBytesMax = kMiB;
constexpr std::uint64_t kClosingNs = 5'000'000'000;
// For secondaries to be tried once, at the opening.
constexpr std::uint64_t kFirstHearingNs = 5'000'000'000;
constexpr std::uint64_t kHearingSliceNs = 20'000'000;

std::chrono::steady_clock::time_point in(std::uint64_t ns) {
  return steady_now() + std::chrono::nanoseconds(ns);
}

// Taking messages would give ids a second text.
std::string ahead_of_this(const std::string& address) {
  return fmt::format(
      "{} has messages that this node does not have, or others: these stores are an older copy, or "
      "another node was master since; make the node with the newest messages the master, or start "
      "this one with empty stores, so that it is filled from the others",
      address);
}

}  // namespace

Master::Master(MasterOptions options, NodeParts parts)
    : options_(std::move(options)),
      parts_(parts),
      nodes_(static_cast<unsigned>(options_.secondaries.size()) + 1),
      quorum_(options_.quorum != 0 ? options_.quorum : nodes_ / 2 + 1),
      recent_(options_.recent_bytes_max) {}

Master::~Master() {
  stop();
  if (opener_.joinable()) opener_.join();
  if (client_) client_->close(kClosingNs);
  if (log_) log_->close(kClosingNs);
}

void Master::start() {
  TLOG_ASSERT(!opener_.joinable());
  opener_ = std::thread([this] { open_until_it_is(); });
  pthread_setname_np(opener_.native_handle(), "tlog-msg-open");
}

// ---- Opening ----

void Master::open_until_it_is() {
  while (!stopping_) {
    const Status opened = open();
    MutexLock lock(mutex_);
    if (opened) {
      is_open_ = true;
      return;
    }
    if (not_open_ != opened.error().message()) {
      not_open_ = opened.error().message();
      parts_.logger->warning(
          fmt::format("event=messages_not_open log={} reason=\"{}\"", options_.name, not_open_));
    }
    if (!stopping_) changed_.wait_until(mutex_, in(kRetryNs));
  }
}

Status Master::open() {
  TLOG_ASSIGN(auto log,
              open_master_log(options_, parts_,
                              {.on_stored = [this](Sequence stored) { stored_more(stored); },
                               .on_failed = [this](const Error& error) { failed(error); }},
                              stopping_));
  const protocol::LogPosition head = log->position();
  log_ = std::move(log);
  {
    MutexLock lock(mutex_);
    last_ = committed_ = head.sequence;
    newest_ = client::first_time(head.timestamp, *parts_.clock, *parts_.random);
  }
  stored_ = head.sequence;
  if (Status sending = begin_sending(); !sending) {
    log_.reset();
    return sending;
  }
  parts_.logger->info(
      fmt::format("event=messages_open log={} role=master messages={} nodes={} "
                  "quorum={}",
                  options_.name, head.sequence, nodes_, quorum_));
  return {};
}

Status Master::begin_sending() {
  if (options_.secondaries.empty()) return {};
  client::ClientOptions options;
  options.servers = options_.secondaries;
  options.tls = options_.tls;
  options.concern.stored = 0;
  options.waits_for_none = true;
  options.name = options_.client_name;
  options.format = format_of(options_);
  options.format.data_shards = options.format.parity_shards = 0;  // as the servers have it
  options.journal = parts_.random->next_uuid();
  options.may_create = options.take_over = true;
  options.silence_ns = options_.silence_ns;
  client::LogClient::Parts parts;
  parts.files = parts_.files;
  parts.loop = parts_.loop;
  parts.workers = parts_.readers;  // they read the log, and wait for it
  parts.clock = parts_.clock;
  parts.random = parts_.random;
  parts.logger = parts_.logger;
  parts.on_progress = [this] { progressed(); };
  parts.on_failed = [this](const Error& error) { failed(error); };
  TLOG_ASSIGN(client_, client::LogClient::open(options, parts, kClosingNs));
  client_->start(*this, 0);
  // What an earlier life has stored is not to wait at a secondary for more to come.
  client_->force(stored_);
  hear_secondaries();
  return {};
}

// What they have is to be known before anything is taken: one may be ahead of this node.
void Master::hear_secondaries() {
  const auto deadline = in(kFirstHearingNs);
  const auto all_were_tried = [this] {
    const auto markers = client_->markers();
    return std::ranges::all_of(markers, [](const client::Marker& marker) {
      return marker.heard_ns != 0 || marker.failures != 0 || marker.differs;
    });
  };
  MutexLock lock(mutex_);
  while (!stopping_ && steady_now() < deadline && !all_were_tried())
    changed_.wait_until(mutex_, std::min(deadline, in(kHearingSliceNs)));
}

// ---- Appending ----

struct Master::Waiting {
  Sequence id = 0;
  unsigned nodes = 1;
  Waiters::Waiter waiter = {};
  Waiters::Place place = {};
};

Result<Appended> Master::append(std::string_view text, unsigned w,
                                const std::function<bool()>& gone) {
  TLOG_ASSERT(w >= 1 && w <= nodes_ && !text.empty() && text.size() <= kMessageBytesMax);
  Waiting waiting{.nodes = w};
  {
    MutexLock lock(mutex_);
    TLOG_TRY(may_append());
    newest_ = std::max(newest_, parts_.clock->wall_ns());
    waiting.id = ++last_;
    recent_.add({.id = waiting.id, .timestamp = newest_, .text = std::string(text)}, stored_);
    // Before it is given to the log, which may have stored it when the lock is taken again.
    waiting.place = waiters_.add(waiting.id, w, waiting.waiter);
  }
  commit();
  return wait(waiting, gone);
}

Status Master::may_append() {
  const auto refuse = [&](Code code, const std::string& why) {
    return fail(code, fmt::format("append: log '{}': {}", options_.name, why));
  };
  if (stopping_) return refuse(Code::kShutdown, "the server stops");
  if (!is_open_) return refuse(Code::kUnavailable, not_open_);
  if (failed_) return refuse(failed_->code(), failed_->message());
  if (waiters_.count() >= options_.waiting_max || log_->full()) {
    return refuse(
        Code::kUnavailable,
        fmt::format("{} messages wait to be stored already; try again", waiters_.count()));
  }
  // Whether there is a quorum does not change from one message to the next.
  const std::uint64_t now = parts_.clock->monotonic_ns();
  if (now >= quorum_looked_ns_ + kQuorumLookNs) {
    quorum_looked_ns_ = now;
    no_quorum_ = look_at_nodes().unwell;
  }
  if (!no_quorum_.empty()) return refuse(Code::kUnavailable, no_quorum_);
  return {};
}

// One commit is under way at a time; what arrives meanwhile goes with the next one. Nobody else
// begins one while this one is hashed and given to the log: what is committed is not stored.
void Master::commit() {
  protocol::Batch batch;
  Sequence before = 0;
  Sequence end = 0;
  {
    MutexLock lock(mutex_);
    if (committed_ > stored_ || last_ == committed_ || failed_ || stopping_) return;
    std::uint64_t bytes = 0;
    before = end = committed_;
    while (end < last_ && end - before < kCommitRecordsMax && bytes < kCommitBytesMax)
      bytes += recent_.at(++end).text.size();
    batch = batch_of(before + 1, end);
    committed_ = end;
  }
  protocol::fill_hashes(batch.records);
  const Status taken = log_->take(std::move(batch));
  if (taken) return log_->force(end);
  MutexLock lock(mutex_);
  failed_ = taken.error();
  committed_ = before;  // none of them is in the log, and none will be
  waiters_.wake_all();
}

protocol::Batch Master::batch_of(Sequence first, Sequence last) const {
  std::size_t bytes = 0;
  for (Sequence id = first; id <= last; ++id) bytes += recent_.at(id).text.size();
  protocol::Batch batch{.bytes = Buffer(bytes), .records = {}};
  batch.records.reserve(last - first + 1);
  std::size_t at = 0;
  for (Sequence id = first; id <= last; ++id) {
    const Message& message = recent_.at(id);
    const ByteSpan data = batch.bytes.span().subspan(at, message.text.size());
    std::memcpy(data.data(), message.text.data(), data.size());
    batch.records.push_back({.sequence = id,
                             .offset = 0,
                             .size = data.size(),
                             .operation = Operation::kMark,
                             .timestamp = message.timestamp,
                             .hash = {},
                             .data = data});
    at += data.size();
  }
  return batch;
}

Result<Appended> Master::wait(Waiting& waiting, const std::function<bool()>& gone) {
  Waiters::Waiter& waiter = waiting.waiter;
  const Sequence id = waiting.id;
  MutexLock lock(mutex_);
  std::optional<Error> why;
  while (!waiter.done && !why) {
    if (failed_) {
      why = failed_;
    } else if (stopping_) {
      why = Error(Code::kShutdown, "the server stops");
    } else if (!waiter.woken.wait_until(mutex_, in(kGoneNs)) && !waiter.done && gone && gone()) {
      why = Error(Code::kTimeout, "the client has gone");
    }
  }
  if (waiter.done) return Appended{.id = id, .unconfirmed = std::nullopt};
  waiters_.remove(waiting.nodes, waiting.place);
  // Nothing is committed any more.
  if (id > committed_ && (failed_ || stopping_)) {
    return fail(why->code(), fmt::format("append: log '{}': {}: it was not appended", options_.name,
                                         why->message()));
  }
  return Appended{.id = id, .unconfirmed = std::move(why)};
}

// ---- What is stored where ----

Sequence Master::stored_by(unsigned nodes) const {
  const Sequence own = stored_;
  if (nodes == 1 || !client_) return nodes == 1 ? own : 0;
  return std::min(own, client_->stored_by(nodes - 1));
}

void Master::stored_more(Sequence sequence) {
  {
    MutexLock lock(mutex_);
    stored_ = sequence;
    waiters_.wake([this](unsigned nodes) { return stored_by(nodes); });
    changed_.notify_all();
  }
  if (client_) {
    client_->more();
    client_->force(sequence);
  }
  commit();  // last: who waits for what is stored does not wait for the hashes of what is next
}

void Master::progressed() {
  MutexLock lock(mutex_);
  if (is_open_) waiters_.wake([this](unsigned nodes) { return stored_by(nodes); });
}

void Master::failed(const Error& error) {
  parts_.logger->error(
      fmt::format("event=messages_failed log={} reason=\"{}\"", options_.name, error.message()));
  MutexLock lock(mutex_);
  if (!failed_) failed_ = error;
  waiters_.wake_all();
}

void Master::stop() {
  MutexLock lock(mutex_);
  stopping_ = true;
  waiters_.wake_all();
  changed_.notify_all();
}

// ---- Reading ----

Result<Sequence> Master::stored() {
  MutexLock lock(mutex_);
  if (!is_open_) {
    return fail(Code::kUnavailable, fmt::format("read: log '{}': {}", options_.name, not_open_));
  }
  return stored_.load();
}

Result<Sequence> Master::read(Sequence first, Sequence last, const Visitor& visitor) {
  std::vector<Message> recent;
  {
    MutexLock lock(mutex_);
    recent = copy_recent(recent_, first, last);
  }
  if (!recent.empty()) return visit_all(std::move(recent), visitor);
  return visit_records(
      first, last,
      [&](const server::ServedLog::Visitor& records) { return log_->read(first, last, records); },
      visitor);
}

// Of the secondaries; on a thread that may block.
Result<std::optional<protocol::Batch>> Master::take(Sequence first, Sequence last,
                                                    std::uint64_t bytes_wanted) {
  {
    MutexLock lock(mutex_);
    const Sequence stored = std::min<Sequence>(stored_, last);
    if (recent_.has(first) && first <= stored) {
      std::uint64_t bytes = 0;
      Sequence end = first - 1;
      while (end < stored && bytes < bytes_wanted && end - first + 1 < kCommitRecordsMax)
        bytes += recent_.at(++end).text.size() + sizeof(format::Record);
      return std::optional(batch_of(first, end));
    }
  }
  return take_stored(first, last, bytes_wanted);
}

// Stores that do not answer are no reason to give the secondaries up: they wait.
Result<std::optional<protocol::Batch>> Master::take_stored(Sequence first, Sequence last,
                                                           std::uint64_t bytes) {
  while (!stopping_) {
    auto batch = read_batch(*log_, first, std::min<Sequence>(stored_, last), bytes);
    if (batch) return std::optional(std::move(*batch));
    parts_.logger->warning(fmt::format("event=messages_not_read log={} from={} reason=\"{}\"",
                                       options_.name, first, batch.error().message()));
    MutexLock lock(mutex_);
    if (!stopping_) changed_.wait_until(mutex_, in(kRetryNs));
  }
  return std::optional<protocol::Batch>();
}

void Master::wait_more(Sequence known, std::uint64_t timeout_ns) {
  const auto deadline = in(timeout_ns);
  MutexLock lock(mutex_);
  while (!stopping_ && stored_ <= known && changed_.wait_until(mutex_, deadline)) {
  }
}

// ---- Health ----

LogHealth Master::look_at_nodes() const {
  LogHealth health{.role = Role::kMaster,
                   .unwell = {},
                   .nodes = nodes_,
                   .quorum = quorum_,
                   .present = 1,
                   .stored = stored_,
                   .secondaries = {}};
  if (client_) {
    const TimestampNs now = parts_.clock->wall_ns();
    for (const client::Marker& marker : client_->markers()) {
      health.secondaries.push_back(health_of(marker, now, {}));
      health.present += is_present(health.secondaries.back()) ? 1 : 0;
      if (marker.differs) health.unwell = ahead_of_this(marker.address);
    }
  }
  if (health.unwell.empty() && health.present < quorum_) {
    health.unwell = fmt::format(
        "no quorum: {} of {} nodes are there, {} are needed; it is read-only "
        "until they are back",
        health.present, nodes_, quorum_);
  }
  return health;
}

LogHealth Master::health() {
  MutexLock lock(mutex_);
  if (!is_open_) {
    LogHealth health{.role = Role::kMaster,
                     .unwell = not_open_,
                     .nodes = nodes_,
                     .quorum = quorum_,
                     .present = 1,
                     .stored = 0,
                     .secondaries = {}};
    for (const std::string& address : options_.secondaries)
      health.secondaries.push_back({.address = address, .reason = "not asked yet"});
    return health;
  }
  LogHealth health = look_at_nodes();
  if (failed_) health.unwell = failed_->message();
  return health;
}

}  // namespace tlog::messages
