// File: player/striped_log.h
// A striped log (format/stripes.h) as one: a LogReader over those of its stripes, whose records it
// puts in order by number. What it visits as an aggregation is a unit: number u has the records
// (u-1)*64+1 .. u*64, the last one what there is of it. Its head is the last record up to which no
// stripe lacks anything; a stripe that is damaged, or has no log at all, ends it there, which
// damage() says.
//
// Threading: one thread; walks read the stripes on threads of their own.
// Errors: kInvalidArgument: what was found are not these stripes, in this order; else those of the
// stripes' readers, with the stripe's name.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tlog/walk/log_reader.h"

namespace tlog::player {

struct StripePart {
  std::string name;                   // "stripe 1 of 2 (vm1.stripe1)"
  walk::LogReader* reader = nullptr;  // borrowed; null: there is no log of it
  std::optional<Error> missing = {};  // then: why
};

// How far a stripe reaches, for people.
struct StripeEnd {
  std::string name;
  AggregationNumber aggregations = 0;
  Epoch epoch = 0;
  Sequence records = 0;  // its own
  Sequence last = 0;     // of the whole log: its newest record
  bool has_log = false;
};

class StripedLog : public walk::LogReader {
 public:
  static Result<std::unique_ptr<StripedLog>> open(const std::string& vdisk,
                                                  std::vector<StripePart> parts);

  virtual const std::vector<StripeEnd>& ends() const = 0;
  // Of records that some stripes have behind what all of them have; "" when there are none.
  virtual std::string uneven() const = 0;
  // What this record is visited in, whether it can be read or not.
  virtual AggregationNumber unit_of(Sequence sequence) const = 0;
};

}  // namespace tlog::player
