// File: tlog/flush/core_close.cc
// How a writer ends.
#include <utility>

#include "tlog/flush/core.h"

namespace tlog::flush {
bool Core::nothing_under_way() const {
  if (uncommitted_ > 0) return false;
  for (std::size_t i = 0; i < parts_.stores.size(); ++i) {
    if (!lanes_->failing(i) && !lanes_->idle(i)) return false;
  }
  return true;
}

void Core::close(std::uint64_t deadline_ns, std::function<void()> done) {
  if (stopped_ || closing_) return done();
  closing_ = true;
  closed_ = std::move(done);
  lanes_->hurry();
  const std::uint64_t now = parts_.clock->monotonic_ns();
  close_timer_ = parts_.loop->add_timer(deadline_ns > now ? deadline_ns - now : 0,
                                        [self = shared_from_this()] {
                                          self->close_timer_ = 0;
                                          self->try_to_finish_closing(true);
                                        });
  try_to_finish_closing(false);
}

// First what is under way, then the bytes that would leave the memory with it, then the metadata
// and the hints. The deadline ends the waiting for stores.
void Core::try_to_finish_closing(bool deadline_passed) {
  if (!closing_ || stopped_) return;
  if (!finishing_ && (deadline_passed || (nothing_under_way() && all_is_hinted()))) {
    finishing_ = true;
    last_steps_ = 2;
    auto step = [weak = weak_from_this()] {
      if (auto self = weak.lock()) self->last_step_done();
    };
    publish_metadata(step);
    save_hints(step);
  }
  if (deadline_passed) stop();
}

void Core::last_step_done() {
  if (stopped_ || !finishing_) return;
  if (--last_steps_ == 0) stop();
}

void Core::stop() {
  stop_with(Error(Code::kShutdown, "the log writer was closed before the stores had it"));
}

// Everybody who waits is answered with `error`.
void Core::stop_with(const Error& error) {
  if (stopped_) return;
  stopped_ = true;
  ended_ = error;
  place_->close();
  read_place_->close();
  completed_->close();
  for (io::TimerId timer : {hints_timer_, close_timer_}) {
    if (timer != 0) parts_.loop->cancel_timer(timer);
  }
  if (servers_) servers_->stop();  // and retires from them
  if (pages_) pages_->stop();
  if (repair_) repair_->stop();
  if (scrubs_) scrubs_->stop();
  if (lanes_) lanes_->stop();
  if (scrubs_) refresh_status();  // no scrub runs any more
  keeper_->stop();
  std::vector<std::function<void(Status)>> unanswered;
  for (auto& [number, pending] : pending_) {
    if (pending.done) unanswered.push_back(std::move(pending.done));
  }
  pending_.clear();
  for (auto& done : unanswered) done(fail(error.within("append")));
  for (auto& [id, done] : std::exchange(placing_, {})) done(fail(error.within("place blocks")));
  if (closed_) std::exchange(closed_, {})();
}

}  // namespace tlog::flush
