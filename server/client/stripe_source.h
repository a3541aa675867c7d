// StripeSource: the records of one stripe as a source of its own: its sequences are the stripe's,
// dense from 1, while those of the source behind it are the whole log's (format/stripes.h).
//
// Threading: that of the source behind it. Errors: its errors; kCorruption when it gives others
// than it was asked for, which would be told apart no more under other numbers.
#pragma once

#include "server/client/log_client.h"
#include "tlog/format/stripes.h"

namespace tlog::client {

class StripeSource final : public RecordSource {
 public:
  // `source` is borrowed.
  StripeSource(RecordSource& source, const format::StripeMap& map, unsigned index)
      : source_(source), map_(map), index_(index) {}

  Sequence end() const override { return map_.locals_until(index_, source_.end()); }
  // Of several units as of one.
  Result<std::optional<protocol::Batch>> take(Sequence first, Sequence last,
                                              std::uint64_t bytes_wanted) override;

 private:
  Result<std::optional<protocol::Batch>> take_unit(Sequence first, Sequence last,
                                                   std::uint64_t bytes_wanted);

  RecordSource& source_;
  const format::StripeMap map_;
  const unsigned index_;
};

}  // namespace tlog::client
