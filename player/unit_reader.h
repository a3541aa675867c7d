// File: player/unit_reader.h
// UnitReader: the units of a striped log (striped_log.h) one after the other, each from its
// stripe's aggregations, under the whole log's sequences.
//
// Threading: one thread; the stripes are read on threads of their own, and their readers are its
// until it ends. Memory: of each stripe what StripeStream keeps, and one unit.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "player/stripe_stream.h"
#include "player/striped_log.h"
#include "tlog/format/stripes.h"

namespace tlog::player {

class UnitReader {
 public:
  struct Source {
    std::vector<StripePart>* parts = nullptr;  // borrowed
    format::StripeMap map;
    Uuid log;          // what the units are said to be of
    Sequence end = 0;  // of the whole log: none behind it
    unsigned read_ahead = 1;
  };
  // Units `first` .. `last` will be asked for.
  UnitReader(Source source, AggregationNumber first, AggregationNumber last);

  // Both: only the first records of the unit could be read, and why.
  struct Unit {
    std::optional<walk::Visited> visited;
    std::optional<Error> error;
  };
  // Errors: of what comes before it, so that it cannot be linked to that.
  Result<Unit> next();

 private:
  struct Cursor {  // of a stripe
    std::unique_ptr<StripeStream> stream;
    std::optional<walk::Visited> current;
    std::size_t used = 0;  // of its records
  };
  Unit read(AggregationNumber number);
  Status pull(unsigned stripe, Sequence local);
  Status check_order(const format::Record& record, const std::string& name);

  const Source source_;
  const AggregationNumber first_;
  AggregationNumber next_ = 0;
  std::vector<Cursor> cursors_;
  Hash256 previous_;
  TimestampNs newest_ = 0;
};

}  // namespace tlog::player
