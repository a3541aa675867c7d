#include "server/standby/sync_waits.h"

#include <fmt/format.h>

#include <utility>

namespace tlog::server {

void SyncWaits::hear(News news) {
  if (ended_) return;
  news_ = std::move(news);
  if (news_.has > synced_) {
    synced_ = news_.has;
    on_synced_(synced_);
  }
  // An answer may bring the next wait, which then is behind.
  for (auto wait = waits_.begin(); wait != waits_.end();) {
    const auto next = std::next(wait);
    settle(wait);
    wait = next;
  }
}

void SyncWaits::add(Sequence target, std::uint64_t asked, std::uint64_t timeout_ns,
                    SlaveSync::Standby::Done done) {
  if (ended_) {
    return done(fail(Code::kShutdown, fmt::format("wait: {}: its log is being closed", vdisk_)));
  }
  // Whose session has ended since waits on: who connects again and again must not pile them up.
  if (waits_.size() >= kWaitsMax) {
    return done(
        fail(Code::kUnavailable,
             fmt::format("wait: {}: {} wait already, of this and earlier sessions; wait for "
                         "their replies, or until they time out",
                         vdisk_, waits_.size())));
  }
  waits_.push_back({.target = target,
                    .asked = asked,
                    .timeout_ns = timeout_ns,
                    .done = std::move(done),
                    .timer = 0});
  const auto wait = std::prev(waits_.end());
  if (settle(wait)) return;
  // The wait is there as long as its timer is.
  wait->timer = loop_.add_timer(timeout_ns, [weak = weak_from_this(), wait] {
    const auto self = weak.lock();
    if (!self) return;
    wait->timer = 0;
    self->answer(wait,
                 fail(Code::kTimeout,
                      fmt::format("wait: {}: the standby has everything up to sequence {}, {} was "
                                  "to be reached within {} ms{}",
                                  self->vdisk_, self->news_.has, wait->target,
                                  wait->timeout_ns / 1'000'000, self->because())));
  });
}

bool SyncWaits::settle(Waits::iterator wait) {
  if (news_.hopeless) {
    answer(wait, fail(Code::kUnavailable,
                      fmt::format("wait: {}: the standby is refused{}", vdisk_, because())));
    return true;
  }
  if (news_.has < wait->target || news_.answered < wait->asked) return false;
  answer(wait, news_.has);
  return true;
}

void SyncWaits::answer(Waits::iterator wait, Result<Sequence> result) {
  if (wait->timer != 0) loop_.cancel_timer(wait->timer);
  const auto done = std::move(wait->done);
  waits_.erase(wait);
  done(std::move(result));
}

void SyncWaits::end() {
  ended_ = true;
  while (!waits_.empty()) {
    answer(waits_.begin(),
           fail(Code::kShutdown, fmt::format("wait: {}: its log is being closed", vdisk_)));
  }
}

}  // namespace tlog::server
