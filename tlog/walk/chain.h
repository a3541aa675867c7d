// File: tlog/walk/chain.h
// The chain: what every aggregation says of the one before it. The one place that checks it.
// Threading: values.
#pragma once

#include <optional>

#include "tlog/format/metadata.h"
#include "tlog/seal/sealer.h"

namespace tlog::walk {

// The epoch whose writer stored aggregation `number`: a later epoch that began at or before it
// supersedes an earlier.
Epoch epoch_of(const format::Metadata& metadata, AggregationNumber number);

format::AggregationReference reference_of(const seal::Opened& opened);

class Chain {
 public:
  explicit Chain(const format::Metadata& metadata) : metadata_(metadata) {}

  // Accepts `opened` as the next link, or says what is wrong with it (kCorruption, naming the
  // position).
  Status append(const seal::Opened& opened);
  const std::optional<format::AggregationReference>& last() const { return last_; }

 private:
  Status check_alone(const format::AggregationReference& now) const;
  Status check_link(const seal::Opened& opened, const format::AggregationReference& now) const;

  const format::Metadata& metadata_;
  std::optional<format::AggregationReference> last_;
};

}  // namespace tlog::walk
