// File: tlog/flush/scrubs.h
// Scrubs: the scrubs of one log, of which one runs at a time: the one that somebody asks for, and
// the light and the deep one of the background, which give way to it. Each keeps what it has come
// to until it begins anew. Threading: the loop's thread only.
#pragma once

#include <array>
#include <memory>

#include "tlog/flush/log_writer.h"
#include "tlog/flush/scrub.h"

namespace tlog::flush {

class Scrubs {
 public:
  explicit Scrubs(const Scrub::Parts& parts);

  // kUnavailable while one is running that does not give way.
  Status start(const ScrubOptions& options, AggregationNumber last);
  void end_background();
  void stop();
  void came_back(std::size_t store, AggregationNumber number, bool replaced);
  void describe(LogWriterStatus& status) const;

 private:
  std::array<Scrub*, 3> all() const { return {asked_.get(), light_.get(), deep_.get()}; }

  const std::shared_ptr<Scrub> asked_;
  const std::shared_ptr<Scrub> light_;
  const std::shared_ptr<Scrub> deep_;
};

}  // namespace tlog::flush
