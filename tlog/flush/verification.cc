// File: tlog/flush/verification.cc
#include "tlog/flush/verification.h"

namespace tlog::flush {
namespace {

constexpr std::size_t kAskedAtOnce = 256;
// Puts are not confirmed quite in the order of their numbers, so that one batch is not enough.
constexpr std::uint64_t kAskedMin = 1024;

}  // namespace

bool Verification::keeps(AggregationNumber number) const {
  const std::size_t stores = parts_.place->stores.size();
  for (unsigned i = 0; i < parts_.place->geometry.total(); ++i) {
    if (walk::store_of(number, i, stores) == parts_.store) return true;
  }
  return false;
}

void Verification::next_batch() {
  batch_.clear();
  lost_here_ = {};
  while (batch_.size() < kAskedAtOnce) {
    below_ = parts_.unconfirmed.gap_before(below_);
    if (below_ == 0) break;
    if (keeps(below_)) batch_.push_back(below_);
    --below_;
  }
  if (!batch_.empty()) return ask();
  stopped_ = true;
  parts_.done(lost_);
}

void Verification::ask() {
  answers_ = 0;
  failed_ = false;
  store::Store& store = *parts_.place->stores[parts_.store];
  const std::vector<AggregationNumber> batch = batch_;  // a store may answer at once
  for (AggregationNumber number : batch) {
    store.stat(parts_.key(number),
               [self = shared_from_this(), number](const Result<std::uint64_t>& length) {
                 self->answered(number, length);
               });
  }
}

void Verification::answered(AggregationNumber number, const Result<std::uint64_t>& length) {
  if (stopped_) return;
  if (!length && length.error().code() == Code::kNotFound) {
    lost_here_.insert(number);
  } else if (!length) {
    failed_ = true;
  }
  if (++answers_ == batch_.size()) batch_ended();
}

void Verification::batch_ended() {
  if (failed_) {  // it is away again, or busy: the same batch in a while
    lost_here_ = {};
    timer_ = parts_.loop->add_timer(backoff_.next_ns(*parts_.random), [self = shared_from_this()] {
      self->timer_ = 0;
      if (!self->stopped_) self->ask();
    });
    return;
  }
  backoff_.reset();
  asked_ += batch_.size();
  for (const auto& [first, last] : lost_here_.runs()) lost_.insert_run(first, last);
  if (!lost_here_.empty() || asked_ < kAskedMin) return next_batch();
  stopped_ = true;
  parts_.done(lost_);
}

void Verification::stop() {
  stopped_ = true;
  if (timer_ != 0) parts_.loop->cancel_timer(timer_);
  timer_ = 0;
}

}  // namespace tlog::flush
