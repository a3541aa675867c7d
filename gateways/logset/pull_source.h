// PullSource: the answer to a pull, made while it is sent: the offsets of this side, then a slice
// for each log of which the caller has less. What it sends was decided at its beginning, so that
// its length is known and nothing is locked meanwhile: logs only grow.
//
// Threading: one thread at a time; the repository outlives it. Errors: those of reading.
#pragma once

#include <vector>

#include "gateways/http/exchange.h"
#include "gateways/logset/repository.h"

namespace tlog::logset {

class PullSource final : public gateway::HttpSource {
 public:
  // `here`: what lengths() told.
  PullSource(std::shared_ptr<Repository> repository, const std::vector<LogLength>& here,
             const LogLengths& there);
  std::uint64_t size() const { return size_; }
  Result<std::size_t> fill(ByteSpan into) override;

 private:
  // Text, then a part of a log.
  struct Part {
    std::string text;
    SliceHead slice;  // no name: text alone
  };
  std::size_t fill_text(ByteSpan into);
  Result<std::size_t> fill_slice(ByteSpan into);

  const std::shared_ptr<Repository> repository_;
  std::vector<Part> parts_;
  std::uint64_t size_ = 0;
  std::size_t part_ = 0;
  std::uint64_t at_ = 0;  // in the part: its text, then its slice
};

}  // namespace tlog::logset
