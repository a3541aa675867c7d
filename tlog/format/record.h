// File: tlog/format/record.h
// Record: one logged operation, as aggregations carry it (docs/format.md, "Record").
#pragma once

#include "tlog/base/types.h"

namespace tlog::format {

struct Record {
  Sequence sequence = 0;
  std::uint64_t offset = 0;  // of the vdisk; 0 for a mark
  std::uint64_t size =
      0;  // of the range; a discard of a whole disk is one record. For a mark: the name's length
  Operation operation = Operation::kWrite;
  TimestampNs timestamp = 0;  // never decreasing within a vdisk
  Hash256 hash;        // BLAKE2b-256 of `data` (of the empty string for operations without data)
  ConstByteSpan data;  // kWrite: `size` bytes; kMark: the name; otherwise empty. Not owned.
};

inline bool carries_data(Operation operation) {
  return operation == Operation::kWrite || operation == Operation::kMark;
}

}  // namespace tlog::format
