#include "server/serve/progress_teller.h"

#include <utility>

namespace tlog::server {
namespace {

constexpr std::uint64_t kIntervalNs = 4'000'000;

}  // namespace

bool ProgressTeller::is_news() const {
  return newest_.received != told_.received || newest_.stored != told_.stored ||
         newest_.synced != told_.synced;
}

void ProgressTeller::tell(const protocol::Progress& newest, bool now) {
  newest_ = newest;
  if (!is_news()) return;
  if (now) return tell_now();
  if (timer_ != 0 || under_way_ > 0) return;
  const std::uint64_t since = core_->parts.clock->monotonic_ns() - told_ns_;
  if (told_ns_ == 0 || since >= kIntervalNs) return tell_now();
  timer_ = core_->parts.loop->add_timer(kIntervalNs - since, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->timer_ = 0;
    if (self->under_way_ == 0 && self->is_news()) self->tell_now();
  });
}

void ProgressTeller::tell_now() {
  told_ = newest_;
  told_ns_ = core_->parts.clock->monotonic_ns();
  ++under_way_;
  connection_->say(told_, [weak = weak_from_this()](const Status& taken) {
    const auto self = weak.lock();
    if (!self) return;
    --self->under_way_;
    if (taken && self->is_news()) self->tell(self->newest_, /*now=*/false);
  });
}

void ProgressTeller::end() {
  if (timer_ != 0) core_->parts.loop->cancel_timer(std::exchange(timer_, 0));
}

}  // namespace tlog::server
