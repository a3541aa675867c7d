#include "tlog/flush/scrubs.h"

namespace tlog::flush {

Scrubs::Scrubs(const Scrub::Parts& parts)
    : asked_(std::make_shared<Scrub>(parts)),
      light_(std::make_shared<Scrub>(parts)),
      deep_(std::make_shared<Scrub>(parts)) {}

Status Scrubs::start(const ScrubOptions& options, AggregationNumber last) {
  if (!options.background) {
    end_background();
    return asked_->start(options, last);
  }
  for (const Scrub* other : all()) TLOG_TRY(other->check_idle());
  return (options.deep ? deep_ : light_)->start(options, last);
}

void Scrubs::end_background() {
  light_->end();
  deep_->end();
}

void Scrubs::stop() {
  for (Scrub* one : all()) one->stop();
}

void Scrubs::came_back(std::size_t store, AggregationNumber number, bool replaced) {
  for (Scrub* one : all()) one->came_back(store, number, replaced);
}

void Scrubs::describe(LogWriterStatus& status) const {
  status.scrub = asked_->status();
  status.light_scrub = light_->status();
  status.deep_scrub = deep_->status();
}

}  // namespace tlog::flush
