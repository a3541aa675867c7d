// File: tlog/session/unsynced_ranges.h
// UnsyncedRanges: which records, and which bytes of the vdisk, the journal has let go before the
// standby had them. They are in the log; when the log cannot be read either and the vdisk must go
// over to the standby all the same, this says exactly what is missing there.
//
// Bounded: beyond kSpansMax spans neighbours are joined, and beyond twice kRangesMax ranges of one
// span the nearest are, so that it names some bytes too many, never too few. Threading: none of its
// own.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "tlog/base/types.h"
#include "tlog/session/standby.h"

namespace tlog::session {

class UnsyncedRanges {
 public:
  static constexpr std::size_t kSpansMax = 256;
  static constexpr std::size_t kRangesMax = 256;
  static constexpr std::uint64_t kRecordsPerSpan = 1024;

  // In the order of sequences; `length` 0: a record that changes no bytes.
  void add(Sequence sequence, TimestampNs timestamp, std::uint64_t offset, std::uint64_t length);
  void forget(Sequence upto);  // the standby has these
  // What is noted of the records `first` ... `last`; those of which nothing is noted are named as
  // such (bytes_known false).
  std::vector<LostRange> between(Sequence first, Sequence last) const;

 private:
  struct Span {
    Sequence first = 0;
    Sequence last = 0;
    TimestampNs first_timestamp = 0;
    TimestampNs last_timestamp = 0;
    std::map<std::uint64_t, std::uint64_t> bytes;  // begin -> end, not touching each other
  };
  static void coarsen(Span& span);
  static void insert(Span& span, std::uint64_t begin, std::uint64_t end);
  void join_neighbours();

  std::deque<Span> spans_;
};

}  // namespace tlog::session
