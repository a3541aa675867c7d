// Waiting until the standbys that the servers keep have what was written.
#include <fmt/format.h>

#include <algorithm>

#include "server/client/client.h"
#include "tlog/base/assert.h"

namespace tlog::client {

Result<Sequence> Client::wait_slave_sync(std::uint64_t timeout_ns) {
  TLOG_ASSERT(!parts_.loop->in_loop_thread());
  const auto deadline = steady_now() + std::chrono::nanoseconds(std::min<std::uint64_t>(
                                           timeout_ns, std::uint64_t{1} << 61));
  auto wait = std::make_shared<StandbyWait>();
  wait->timeout_ns = timeout_ns;
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
    while (!wait->outcome && !closed_ && changed_.wait_until(mutex_, deadline)) {
    }
    if (wait->outcome) return *wait->outcome;
    if (closed_) return tlog::fail(Code::kShutdown, "wait: slave sync: the client is closing");
  }
  post([this, wait] { std::erase(standby_waits_, wait); });
  return tlog::fail(Code::kTimeout,
                    fmt::format("wait: slave sync: not all of {} standbys have followed within {} "
                                "ms; see the servers' status for what they wait for{}{}",
                                options_.concern.stored, timeout_ns / 1'000'000,
                                board_.troubles().empty() ? "" : ": ", board_.troubles()));
}

// Each server when it has received what is waited for: it answers for what it has.
void Client::ask_for_standby(StandbyWait& wait) {
  for (auto& link : links_) {
    const std::size_t index = link->index();
    if (!link->trusted() || link->received() < wait.target || wait.asked.contains(index) ||
        wait.reached.contains(link->log()) || wait.failed.contains(index))
      continue;
    wait.asked[index] = link->ask(protocol::WaitSlaveSync{.id = 0, .timeout_ns = wait.timeout_ns});
  }
}

void Client::look_at(StandbyWait& wait) {
  const unsigned wanted = options_.concern.stored;
  if (wait.reached.size() >= wanted) {
    Sequence least = wait.reached.begin()->second;
    for (const auto& [log, sequence] : wait.reached) least = std::min(least, sequence);
    return settle(wait, least);
  }
  if (links_.size() - wait.failed.size() >= wanted) return;
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
