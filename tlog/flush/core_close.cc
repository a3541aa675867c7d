// File: tlog/flush/core_close.cc
// How a writer ends, and the hints it leaves behind for the next one.
#include <utility>

#include <fmt/format.h>

#include "tlog/flush/core.h"

namespace tlog::flush {
namespace {

constexpr std::uint64_t kHintsEveryNs = 2'000'000'000;

}  // namespace

// The file may lag behind what it is about (see HintsFile), so it is written in a while.
void Core::hints_changed() {
  if (stopped_ || closing_ || !hints_file_ || hints_timer_ != 0) return;
  hints_timer_ = parts_.loop->add_timer(kHintsEveryNs, [self = shared_from_this()] {
    self->hints_timer_ = 0;
    if (!self->stopped_) self->save_hints({});
  });
}

void Core::save_hints(std::function<void()> done) {
  if (!hints_file_) {
    if (done) done();
    return;
  }
  if (hints_saving_) {
    hints_again_ = true;
    if (done) hints_waiting_ = std::move(done);
    return;
  }
  Hints hints{.complete = committed_, .missing = std::vector<NumberSet>(parts_.stores.size())};
  for (std::size_t i = 0; i < hints.missing.size(); ++i) {
    repair_->collect(i, hints.missing[i]);
    for (AggregationNumber number : lanes_->owed(i)) {
      if (number <= committed_) hints.missing[i].insert(number);
    }
  }
  hints_saving_ = true;
  hints_file_->save(
      *parts_.loop, hints, [self = shared_from_this(), file = hints_file_, done](Status status) {
        self->hints_saving_ = false;
        if (!status) {
          self->parts_.logger->warning(fmt::format("event=hints_not_saved vdisk={} reason=\"{}\"",
                                                   self->metadata_.format.name,
                                                   status.error().message()));
        }
        if (std::exchange(self->hints_again_, false) && !self->stopped_) {
          self->save_hints(std::exchange(self->hints_waiting_, {}));
        }
        if (done) done();
      });
}

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

// First what is under way, then the metadata and the hints. The deadline ends the waiting for
// stores.
void Core::try_to_finish_closing(bool deadline_passed) {
  if (!closing_ || stopped_) return;
  if (!finishing_ && (deadline_passed || nothing_under_way())) {
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
  stop_with(Error(Code::kShutdown, "append: the log writer was closed before the stores had it"));
}

// Everybody who waits is answered with `error`.
void Core::stop_with(const Error& error) {
  if (stopped_) return;
  stopped_ = true;
  place_->closed = true;
  for (io::TimerId timer : {hints_timer_, close_timer_}) {
    if (timer != 0) parts_.loop->cancel_timer(timer);
  }
  if (servers_) servers_->stop();  // and retires from them
  if (pages_) pages_->stop();
  if (repair_) repair_->stop();
  if (scrub_) scrub_->stop();
  if (lanes_) lanes_->stop();
  keeper_->stop();
  std::vector<std::function<void(Status)>> unanswered;
  for (auto& [number, pending] : pending_) {
    if (pending.done) unanswered.push_back(std::move(pending.done));
  }
  pending_.clear();
  for (auto& done : unanswered) done(fail(error));
  if (closed_) std::exchange(closed_, {})();
}

}  // namespace tlog::flush
