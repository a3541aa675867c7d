// The beginning and the end of a client.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "server/client/client.h"
#include "server/client/striped_client.h"
#include "tlog/base/assert.h"

namespace tlog::client {
namespace {

// When as many servers are there as are wanted, the others have so long to show what they have.
constexpr std::uint64_t kGraceNs = 500'000'000;

std::chrono::steady_clock::time_point deadline_in(std::uint64_t ns) {
  constexpr std::uint64_t kLongest = std::uint64_t{3600} * 24 * 365 * 1'000'000'000;
  return steady_now() + std::chrono::nanoseconds(std::min(ns, kLongest));
}

Status check(const ClientOptions& options) {
  const auto refuse = [](const std::string& what) {
    return fail(Code::kInvalidArgument, "open: log client: " + what);
  };
  if (options.servers.empty()) return refuse("no servers; name at least one");
  const std::set<std::string> different(options.servers.begin(), options.servers.end());
  if (different.size() != options.servers.size())
    return refuse("a server is named twice; each counts once only");
  if (options.stripes == 0 || options.stripes > kStripesMax ||
      options.servers.size() % options.stripes != 0) {
    return refuse(
        fmt::format("{} stripes of {} servers; the servers are divided evenly among 1 to "
                    "{} stripes",
                    options.stripes, options.servers.size(), kStripesMax));
  }
  if (options.stripes > 1 && options.format.vdisk.is_nil())
    return refuse("a striped log without its vdisk's uuid; say it, the stripes are known by it");
  if (options.stripes > 1 && options.waits_for_none)
    return refuse("a striped log that nobody is waited for; its end is known when all are there");
  const std::size_t each = options.servers.size() / options.stripes;
  const unsigned wanted = std::max(options.concern.stored, options.concern.received);
  if (options.concern.stored == 0 && !options.waits_for_none)
    return refuse("a write concern of 0; it is 1 at least");
  if (wanted > each) {
    return refuse(
        fmt::format("a write concern of {} servers, and there are {}{}; name more, or want "
                    "less",
                    wanted, each, options.stripes > 1 ? " for each stripe" : ""));
  }
  if (options.batch_bytes == 0 || options.silence_ns == 0 || options.unsent_bytes_max == 0)
    return refuse("batch bytes, silence and unsent bytes must not be 0");
  return {};
}

}  // namespace

Result<std::unique_ptr<LogClient>> LogClient::open(ClientOptions options, Parts parts,
                                                   std::uint64_t timeout_ns) {
  TLOG_TRY(check(options));
  if (options.stripes > 1) {
    auto striped = std::make_unique<StripedClient>(std::move(options), std::move(parts));
    if (auto connected = striped->connect(timeout_ns); !connected) {
      striped->close(0);
      return fail(connected.error());
    }
    return std::unique_ptr<LogClient>(std::move(striped));
  }
  auto client = std::make_unique<Client>(std::move(options), std::move(parts));
  if (auto connected = client->connect(timeout_ns); !connected) {
    client->close(0);
    return fail(connected.error());
  }
  return std::unique_ptr<LogClient>(std::move(client));
}

Status Client::connect(std::uint64_t timeout_ns) {
  TLOG_ASSERT(!parts_.loop->in_loop_thread());
  const auto deadline = deadline_in(timeout_ns);
  {
    MutexLock lock(mutex_);
    is_opening_ = true;
  }
  io::run_on(*parts_.loop, [this] {
    for (auto& link : links_) link->connect();
    if (options_.waits_for_none) opened({});
  });
  {
    MutexLock lock(mutex_);
    while (!opened_ && changed_.wait_until(mutex_, deadline)) {
    }
  }
  Status status;
  io::run_on(*parts_.loop, [&] {
    grace_is_over_ = true;
    parts_.loop->cancel_timer(grace_);
    look_at_opening();
    opened(tlog::fail(Code::kUnavailable,
                      fmt::format("open: log client: not enough servers within {} ms: {}",
                                  timeout_ns / 1'000'000, what_is_missing())));
    MutexLock lock(mutex_);
    status = *opened_;
    is_opening_ = false;
  });
  return status;
}

std::string Client::what_is_missing() const {
  const std::string troubles = board_.troubles();
  if (may_be_new() && !creating_) {
    return fmt::format(
        "the log may exist at a server that is not there: it is created only when all but {} say "
        "that they do not have it, and nobody says anything else: {}",
        away_max(), troubles);
  }
  if (!enough_logs()) return troubles;
  if (agreement_) {
    return (undecided_.empty() ? agreement_->trouble() : undecided_) +
           (troubles.empty() ? "" : ": " + troubles);
  }
  return fmt::format(
      "the log of those that are there ends at sequence {}, and begins at {} here: what was stored "
      "in between is on servers that are not there, or lost; bring back the servers that have "
      "it{}{}",
      newest_stored(), options_.needed + 1, troubles.empty() ? "" : ": ", troubles);
}

Sequence Client::newest_stored() const {
  Sequence newest = 0;
  for (const auto& link : links_) {
    if (link->welcomed()) newest = std::max(newest, link->welcome().stored.sequence);
  }
  return newest;
}

// The first outcome is it.
void Client::opened(Status status) {
  bool opened_ok = false;
  {
    MutexLock lock(mutex_);
    if (opened_) return;
    opened_ok = status.has_value();
    opened_ = std::move(status);
  }
  is_open_ = opened_ok;
  agreement_.reset();
  created_ = true;
  for (const auto& link : links_) {
    if (!link->welcomed()) continue;
    created_ &= link->welcome().created;
    if (link->welcome().stored.sequence > head_.sequence) head_ = link->welcome().stored;
  }
  MutexLock lock(mutex_);
  changed_.notify_all();
}

void Client::look_at_opening() {
  {
    MutexLock lock(mutex_);
    if (!is_opening_ || opened_) return;
  }
  if (auto error = hopeless()) return opened(tlog::fail(*error));
  if (!creation_is_settled()) return;
  if (!enough_logs() || newest_stored() < options_.needed) return;
  if (everybody_was_tried() && logs_agree()) opened({});
}

// Or has had time to.
bool Client::everybody_was_tried() {
  const bool all_tried = std::all_of(links_.begin(), links_.end(), [](const auto& link) {
    return link->tried() || link->welcomed();
  });
  if (all_tried || grace_is_over_) return true;
  if (grace_ == 0) {
    grace_ = parts_.loop->add_timer(kGraceNs, [this] {
      grace_is_over_ = true;
      look_at_opening();
    });
  }
  return false;
}

// So many may be away without what was acknowledged being theirs alone.
unsigned Client::away_max() const {
  const WriteConcern& concern = options_.concern;
  const unsigned acknowledging =
      concern.received == 0 ? concern.stored : std::min(concern.stored, concern.received);
  return acknowledging - 1;
}

// Who takes a log over, without the journal of who wrote it, must not miss what was acknowledged:
// so few may be away that it cannot be theirs alone. Nor must who makes a new one.
bool Client::enough_logs() const {
  std::set<Uuid> logs;
  unsigned count = 0;
  for (const auto& link : links_) {
    if (link->welcomed() && (link->log().is_nil() || logs.insert(link->log()).second)) ++count;
  }
  if (count < std::max(options_.concern.stored, options_.concern.received)) return false;
  if (!options_.take_over && !may_be_new()) return true;
  return away() <= away_max();
}

// Servers whose logs are not there.
unsigned Client::away() const {
  std::set<Uuid> logs;
  for (const auto& link : links_) {
    if (link->welcomed()) logs.insert(link->log());
  }
  return static_cast<unsigned>(std::count_if(links_.begin(), links_.end(), [&](const auto& link) {
    return !link->welcomed() && (link->log().is_nil() || !logs.contains(link->log()));
  }));
}

// What the servers that have refused can no more become, whatever the others say.
std::optional<Error> Client::hopeless() const {
  unsigned possible = 0;
  unsigned without_log = 0;          // it is created when another has it, or nobody
  std::map<Uuid, std::string> logs;  // and who writes it
  std::optional<Code> code;
  std::string reasons;
  for (const auto& link : links_) {
    if (!reasons.empty() && !reasons.ends_with("; ")) reasons += "; ";
    if (!link->refused()) {
      const auto [same, other] = logs.try_emplace(link->log(), link->address());
      if (link->log().is_nil() || other) {
        ++possible;
      } else {
        reasons += fmt::format("{} writes the same log as {}", link->address(), same->second);
      }
      continue;
    }
    reasons += fmt::format("{}: {}", link->address(), link->refused()->message());
    without_log += link->refused()->code() == Code::kNotFound;
    if (!code || code == Code::kNotFound || link->refused()->code() == Code::kFenced)
      code = link->refused()->code();
  }
  const unsigned wanted = std::max(options_.concern.stored, options_.concern.received);
  const bool can_be_made = possible > 0 || options_.may_create;
  if (possible + (can_be_made ? without_log : 0) >= wanted) return std::nullopt;
  return Error(code.value_or(Code::kInvalidArgument),
               fmt::format("open: log client: {} servers with logs of their own are wanted, and no "
                           "more than {} can be had: {}",
                           wanted, possible, reasons));
}

bool Client::drained() const {
  return std::all_of(links_.begin(), links_.end(), [](const auto& link) {
    return !link->is_attached() || link->stored() >= link->sent();
  });
}

bool Client::close(std::uint64_t budget_ns) {
  TLOG_ASSERT(!parts_.loop->in_loop_thread());
  const auto deadline = deadline_in(budget_ns);
  {
    MutexLock lock(mutex_);
    if (std::exchange(closed_, true)) return false;
  }
  io::run_on(*parts_.loop, [this] {
    closing_ = true;
    filling_->stop();
    for (auto& wait : std::vector(standby_waits_))
      settle(*wait, tlog::fail(Code::kShutdown, "wait: slave sync: the client is closing"));
    for (auto& link : links_) link->force(link->sent());
    MutexLock lock(mutex_);
    drained_ = drained();
  });
  {
    MutexLock lock(mutex_);
    while (!drained_ && budget_ns != 0 && changed_.wait_until(mutex_, deadline)) {
    }
  }
  const bool is_stored = everything_is_stored();
  gate_->close();
  io::run_on(*parts_.loop, [this] {
    life_.reset();
    parts_.loop->cancel_timer(grace_);
    for (auto& link : links_) link->say_goodbye(Code::kShutdown, "the client is closing");
    filling_.reset();
    agreement_.reset();
    batches_.reset();
    links_.clear();
  });
  return is_stored;
}

}  // namespace tlog::client
