// Waiting until the standbys that the servers keep have what was written.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "server/client/client.h"
#include "tlog/base/assert.h"

namespace tlog::client {
namespace {

constexpr std::uint64_t kAskStandbyAgainNs = 250'000'000;

// Of a server that may answer otherwise in a moment.
bool may_pass(const Error& error) {
  return error.code() == Code::kUnavailable || error.code() == Code::kShutdown;
}

}  // namespace

Result<Sequence> Client::wait_slave_sync(std::uint64_t timeout_ns) {
  TLOG_ASSERT(!parts_.loop->in_loop_thread());
  {
    MutexLock lock(mutex_);
    if (waiting_ended_)
      return tlog::fail(Code::kShutdown, "wait: slave sync: the client is closing");
  }
  const std::uint64_t patience_ns = std::min(timeout_ns, std::uint64_t{1} << 61);
  const auto deadline = steady_now() + std::chrono::nanoseconds(patience_ns);
  auto wait = std::make_shared<StandbyWait>();
  wait->deadline_ns = parts_.clock->monotonic_ns() + patience_ns;
  post([this, wait] {
    wait->target = batches_ ? batches_->end() : 0;
    standby_waits_.push_back(wait);
    if (failed_) return settle(*wait, tlog::fail(*failed_));
    if (closing_) return settle(*wait, tlog::fail(Code::kShutdown, "wait: slave sync: closing"));
    for (auto& link : links_) link->force(wait->target);
    ask_for_standby(*wait);
  });
  {
    MutexLock lock(mutex_);
    while (!wait->outcome && !closed_ && !waiting_ended_ && changed_.wait_until(mutex_, deadline)) {
    }
    if (wait->outcome) return *wait->outcome;
    if (closed_ || waiting_ended_) post([this, wait] { std::erase(standby_waits_, wait); });
    if (closed_ || waiting_ended_)
      return tlog::fail(Code::kShutdown, "wait: slave sync: the client is closing");
  }
  std::string troubles = board_.troubles();
  run([this, &wait, &troubles] {
    std::erase(standby_waits_, wait);
    for (const auto& [index, error] : wait->passing)
      troubles += (troubles.empty() ? "" : "; ") + error.message();
  });
  MutexLock lock(mutex_);
  if (wait->outcome) return *wait->outcome;
  return tlog::fail(Code::kTimeout,
                    fmt::format("wait: slave sync: not all of {} standbys have followed within {} "
                                "ms; see the servers' status for what they wait for{}{}",
                                options_.concern.stored, timeout_ns / 1'000'000,
                                troubles.empty() ? "" : ": ", troubles));
}

void Client::stop_waiting() {
  MutexLock lock(mutex_);
  waiting_ended_ = true;
  changed_.notify_all();
}

// Each server when it has received what is waited for: it answers for what it has.
void Client::ask_for_standby(StandbyWait& wait) {
  for (auto& link : links_) {
    const std::size_t index = link->index();
    if (!link->trusted() || link->received() < wait.target || wait.asked.contains(index) ||
        wait.reached.contains(link->log()) || wait.failed.contains(index) ||
        wait.put_off.contains(index))
      continue;
    const std::uint64_t now = parts_.clock->monotonic_ns();
    const std::uint64_t left_ns = wait.deadline_ns > now ? wait.deadline_ns - now : 0;
    wait.asked[index] = link->ask(protocol::WaitSlaveSync{.id = 0, .timeout_ns = left_ns});
  }
}

void Client::note_synced(StandbyWait& wait, const Link& link, Sequence synced) {
  if (synced >= wait.target) {
    wait.reached[link.log()] = synced;
    return;
  }
  wait.failed.insert_or_assign(
      link.index(), Error(Code::kUnavailable,
                          fmt::format("{}: it says that its standby has followed up to {}, and "
                                      "had received up to {}",
                                      link.address(), synced, wait.target)));
}

void Client::standby_replied(Link& link, const protocol::Reply& reply) {
  for (auto& wait : std::vector(standby_waits_)) {
    const auto asked = wait->asked.find(link.index());
    if (asked == wait->asked.end() || asked->second != reply.id) continue;
    wait->asked.erase(asked);
    wait->passing.erase(link.index());
    if (!reply.error) {
      note_synced(*wait, link, reply.sequences.empty() ? 0 : reply.sequences.back());
    } else if (const Error error = reply.error->within(link.address()); may_pass(error)) {
      ask_again_later(wait, link.index(), error);
    } else {
      wait->failed.insert_or_assign(link.index(), error);
    }
    look_at(*wait);
  }
}

void Client::ask_again_later(const std::shared_ptr<StandbyWait>& wait, std::size_t index,
                             const Error& why) {
  wait->passing.insert_or_assign(index, why);
  wait->put_off.insert(index);
  (void)parts_.loop->add_timer(kAskStandbyAgainNs,
                               [this, alive = alive_, weak = std::weak_ptr(wait), index] {
                                 const auto waiting = weak.lock();
                                 if (alive.expired() || !waiting || waiting->outcome) return;
                                 waiting->put_off.erase(index);
                                 ask_for_standby(*waiting);
                               });
}

void Client::look_at(StandbyWait& wait) {
  const unsigned wanted = options_.concern.stored;
  if (wait.reached.size() >= wanted) {
    Sequence least = wait.reached.begin()->second;
    for (const auto& [log, sequence] : wait.reached) least = std::min(least, sequence);
    return settle(wait, least);
  }
  std::set<Uuid> logs;  // that may reach it
  unsigned nameless = 0;
  for (const auto& link : links_) {
    if (wait.failed.contains(link->index())) continue;
    if (link->log().is_nil()) {
      ++nameless;
    } else {
      logs.insert(link->log());
    }
  }
  if (nameless + logs.size() >= wanted) return;
  std::string reasons;
  for (const auto& [index, error] : wait.failed)
    reasons += (reasons.empty() ? "" : "; ") + error.message();
  settle(wait, tlog::fail(wait.failed.begin()->second.code(), "wait: slave sync: " + reasons));
}

void Client::settle(StandbyWait& wait, Result<Sequence> outcome) {
  {
    MutexLock lock(mutex_);
    if (!wait.outcome) wait.outcome = std::move(outcome);
    changed_.notify_all();
  }
  std::erase_if(standby_waits_, [&wait](const auto& one) { return one.get() == &wait; });
}

}  // namespace tlog::client
