#include "server/serve/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/serve/log_lines.h"

namespace tlog::server {
namespace {

constexpr std::uint64_t kCloseBudgetNs = 30'000'000'000;
constexpr std::size_t kWaitingMax = 16;  // for one vdisk that is being opened or closed

Error same_journal_again(const Wish& wish) {
  return Error(Code::kUnavailable, fmt::format("{}: the same journal has connected again, from {}",
                                               wish.hello.format.name, wish.peer));
}

Status check_same_log(const HostedLog& hosted, const Wish& wish) {
  if (wish.key->id() != hosted.holder.key->id()) {
    return fail(Code::kWrongKey,
                fmt::format("open: {}: its log is open with the key {}, the client has {}; give it "
                            "the log's key",
                            hosted.vdisk, hosted.holder.key->id().hex(), wish.key->id().hex()));
  }
  return check_format(wish.hello.format, hosted.log->format());
}

std::string reason_not_stored(const HostedLog& hosted) {
  const std::string why = hosted.failed ? hosted.failed->message() : hosted.waiting_for;
  return fmt::format(" reason=\"not all was stored; the client sends it again{}{}\"",
                     why.empty() ? "" : ": ", why);
}

// Then who comes waits until it is closed.
bool is_given_up(const HostedLog& hosted, bool is_same_journal) {
  return hosted.leaving == HostedLog::Leaving::kForGood ||
         (hosted.leaving == HostedLog::Leaving::kNobodyCame && !is_same_journal);
}

// A wrong hash ends the taking; what was verified before is stored still.
bool still_stores(const HostedLog& hosted) {
  return !hosted.failed || hosted.log->can_store();
}

bool is_stored(const HostedLog& hosted) {
  return hosted.stored >= (hosted.failed ? hosted.log->received() : hosted.log->taken());
}

}  // namespace

void Registry::open(Wish wish, HostedLog::Opened done) {
  if (core_->stopping) {
    return done(fail(Code::kShutdown, fmt::format("open: {}: the server is stopping; another one "
                                                  "with the same stores can go on",
                                                  wish.hello.format.name)));
  }
  const auto found = logs_.find(wish.hello.format.name);
  if (found == logs_.end()) return begin_opening(std::move(wish), std::move(done));
  const Hosted hosted = found->second;
  const bool is_same = hosted->holder.hello.journal == wish.hello.journal;
  // Who opens it has it only when it is open: the stores may know another writer, perhaps this one.
  if (hosted->state != HostedLog::State::kOpen)
    return wait_for(*hosted, std::move(wish), std::move(done));
  if (is_given_up(*hosted, is_same)) return wait_for(*hosted, std::move(wish), std::move(done));
  if (!is_same && !wish.hello.take_over) return done(fail(held_by_another(*hosted)));
  // Before anybody is sent away for somebody who would be refused.
  if (auto fits = check_same_log(*hosted, wish); !fits) return done(fail(std::move(fits).error()));
  if (is_same) return serve_again(hosted, std::move(wish), done);
  core_->note(
      LogLevel::kWarning,
      fmt::format("event=taken_over vdisk={} from=\"{}\" peer={} by=\"{}\" peer={}", hosted->vdisk,
                  hosted->holder.client, hosted->holder.peer, wish.client, wish.peer));
  take_away(hosted, Error(Code::kFenced, fmt::format("{}: {} at {} has taken the vdisk over",
                                                     hosted->vdisk, wish.client, wish.peer)));
  wait_for(*hosted, std::move(wish), std::move(done));
  leave(hosted, HostedLog::Leaving::kForGood);
}

// The journal's host has lost its connection and is back, perhaps before that was noticed here:
// what it had sent is still there.
void Registry::serve_again(const Hosted& hosted, Wish wish, const HostedLog::Opened& done) {
  take_away(hosted, same_journal_again(wish));
  if (hosted->linger != 0) core_->parts.loop->cancel_timer(std::exchange(hosted->linger, 0));
  hosted->leaving = HostedLog::Leaving::kNo;
  // The log was opened with these, and keeps them.
  wish.settings.write_quorum = hosted->holder.settings.write_quorum;
  wish.settings.slave_sync = hosted->holder.settings.slave_sync;
  hosted->holder = std::move(wish);
  hosted->since = core_->parts.clock->wall_ns();
  hosted->log->settings(hosted->holder.settings.flush_size, hosted->holder.settings.flush_time_ns);
  done(hosted);
  if (hosted->user == nullptr) release(hosted, /*for_good=*/false);
}

void Registry::wait_for(HostedLog& hosted, Wish wish, HostedLog::Opened done) {
  for (HostedLog::Waiting& waiting : hosted.waiting) {
    if (waiting.wish.hello.journal != wish.hello.journal) continue;
    const auto told = std::exchange(waiting.done, std::move(done));
    const Error why = same_journal_again(wish);
    waiting.wish = std::move(wish);
    return told(fail(why));
  }
  if (hosted.waiting.size() >= kWaitingMax) {
    return done(fail(Code::kUnavailable,
                     fmt::format("open: {}: {} clients wait for it already; try again later",
                                 hosted.vdisk, kWaitingMax)));
  }
  hosted.waiting.push_back({std::move(wish), std::move(done)});
}

void Registry::serve_waiting(std::deque<HostedLog::Waiting> waiting) {
  for (HostedLog::Waiting& next : waiting) open(std::move(next.wish), std::move(next.done));
}

void Registry::take_away(const Hosted& hosted, const Error& why) {
  if (LogUser* user = std::exchange(hosted->user, nullptr)) user->on_taken_away(why);
}

void Registry::failed(const Hosted& hosted, const Error& error) {
  if (hosted->failed) return look_at_leaving(hosted);
  hosted->failed = error;
  core_->parts.logger->error(
      fmt::format("event=log_failed vdisk={} reason=\"{}\"", hosted->vdisk, error.message()));
  take_away(hosted, error);
  // While it is being opened: opened() sees it.
  if (hosted->state == HostedLog::State::kOpen) leave(hosted, HostedLog::Leaving::kForGood);
}

void Registry::release(const Hosted& hosted, bool for_good) {
  hosted->user = nullptr;
  if (hosted->state != HostedLog::State::kOpen) return;
  if (for_good) return leave(hosted, HostedLog::Leaving::kForGood);
  if (core_->options.linger_ns == 0) return leave(hosted, HostedLog::Leaving::kNobodyCame);
  if (hosted->linger != 0) core_->parts.loop->cancel_timer(hosted->linger);
  hosted->linger = core_->parts.loop->add_timer(
      core_->options.linger_ns, [weak = weak_from_this(), hosted_weak = std::weak_ptr(hosted)] {
        const auto self = weak.lock();
        const auto lingering = hosted_weak.lock();
        if (!self || !lingering) return;
        lingering->linger = 0;
        if (lingering->user == nullptr) self->leave(lingering, HostedLog::Leaving::kNobodyCame);
      });
}

// Its records may be nowhere else any more: while its stores are away it stays open.
void Registry::leave(const Hosted& hosted, HostedLog::Leaving why) {
  if (hosted->state != HostedLog::State::kOpen) return;
  hosted->leaving = why;
  if (still_stores(*hosted) && !is_stored(*hosted)) {
    core_->note(LogLevel::kInfo,
                fmt::format("event=storing_before_closing vdisk={} taken={} stored={}",
                            hosted->vdisk, hosted->log->taken(), hosted->log->stored()));
    hosted->log->force(hosted->log->taken());
  }
  look_at_leaving(hosted);
}

void Registry::look_at_leaving(const Hosted& hosted) {
  if (hosted->leaving == HostedLog::Leaving::kNo || hosted->state != HostedLog::State::kOpen)
    return;
  if (!still_stores(*hosted) || is_stored(*hosted)) close(hosted, kCloseBudgetNs);
}

void Registry::reading_ends(const Hosted& hosted) {
  if (--hosted->readings == 0 && hosted->close_by_ns) close_now(hosted);
}

void Registry::close(const Hosted& hosted, std::uint64_t budget_ns) {
  const std::uint64_t deadline = core_->parts.clock->monotonic_ns() + budget_ns;
  if (hosted->close_by_ns) hosted->close_by_ns = std::min(*hosted->close_by_ns, deadline);
  if (hosted->state != HostedLog::State::kOpen) return;
  hosted->state = HostedLog::State::kClosing;
  hosted->waiting_for = hosted->log->log_status().waiting_for;
  if (hosted->linger != 0) core_->parts.loop->cancel_timer(std::exchange(hosted->linger, 0));
  hosted->ending.store(true);
  // Readings end within it, too: all that was taken is on its way to the stores meanwhile.
  hosted->close_by_ns = deadline;
  if (!hosted->failed) hosted->log->force(hosted->log->taken());
  if (hosted->readings == 0) close_now(hosted);
}

void Registry::close_now(const Hosted& hosted) {
  const std::uint64_t deadline = *std::exchange(hosted->close_by_ns, {});
  core_->away(hosted->vdisk,
              [self = shared_from_this(), hosted, deadline, clock = core_->parts.clock,
               log = std::make_shared<std::unique_ptr<ServedLog>>(std::move(hosted->log)),
               standby = std::make_shared<std::unique_ptr<SlaveSync::Standby>>(
                   std::move(hosted->standby))] {
                standby->reset();
                const std::uint64_t now = clock->monotonic_ns();
                const bool all_stored = (*log)->close(deadline > now ? deadline - now : 0);
                log->reset();
                self->core_->parts.loop->post(
                    [self, hosted, all_stored] { self->closed(hosted, all_stored); });
              });
}

void Registry::closed(const Hosted& hosted, bool all_stored) {
  if (!all_stored) all_stored_ = false;
  core_->parts.logger->write(
      all_stored ? LogLevel::kInfo : LogLevel::kWarning,
      fmt::format("event=vdisk_released vdisk={} received={} stored={}{}", hosted->vdisk,
                  hosted->received, hosted->stored, all_stored ? "" : reason_not_stored(*hosted)));
  forget(hosted);
}

void Registry::forget(const Hosted& hosted) {
  logs_.erase(hosted->vdisk);
  count(*hosted, 0);
  serve_waiting(std::exchange(hosted->waiting, {}));
  tell_when_all_closed();
}

void Registry::tell_when_all_closed() {
  const bool any_left = std::ranges::any_of(
      logs_, [](const auto& each) { return each.second->state != HostedLog::State::kOpening; });
  if (!any_left && all_closed_) std::exchange(all_closed_, {})(all_stored_);
}

void Registry::close_all(std::uint64_t deadline_ns, std::function<void(bool)> done) {
  deadline_ns_ = deadline_ns;
  all_closed_ = std::move(done);
  all_stored_ = true;
  const auto logs = logs_;
  const std::uint64_t now = core_->parts.clock->monotonic_ns();
  const std::uint64_t budget_ns = deadline_ns > now ? deadline_ns - now : 0;
  for (const auto& [name, hosted] : logs) {
    serve_waiting(std::exchange(hosted->waiting, {}));  // they are told that it is stopping
    // Its user stays, and is told of what is stored on the way.
    close(hosted, budget_ns);
  }
  tell_when_all_closed();
}

void Registry::abandon() {
  if (look_ != 0) core_->parts.loop->cancel_timer(std::exchange(look_, 0));
  for (const auto& [name, hosted] : std::exchange(logs_, {})) {
    hosted->ending.store(true);
    hosted->user = nullptr;
    hosted->close_by_ns.reset();  // the end of a reading has nothing to close any more
    if (hosted->linger != 0) core_->parts.loop->cancel_timer(std::exchange(hosted->linger, 0));
    core_->away(hosted->vdisk,
                [log = std::make_shared<std::unique_ptr<ServedLog>>(std::move(hosted->log)),
                 standby = std::make_shared<std::unique_ptr<SlaveSync::Standby>>(
                     std::move(hosted->standby))] {
                  standby->reset();
                  log->reset();
                });
  }
}

}  // namespace tlog::server
