// File: tests/crash/model.h
// Decides whether what a disk shows after a crash is something it may show.
//
// The rule. Of every cell the candidates are what it showed before the round and each operation of
// the round that touched it. A candidate is *superseded* when another operation on the cell
// certainly came later and certainly survived. Certainly later: issued after the candidate was
// answered, or seen by a read issued after both were answered. Certainly survived: it carried FUA,
// or a completed FLUSH covers it (of any connection if the server offers multi-conn, else of its
// own), or a promise says so. A cell that shows anything but a candidate that is not superseded is
// an error. Live reads are held to the same rule, where "survived" is "answered before the read was
// issued".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/crash/history.h"
#include "tests/crash/stamp.h"

namespace tlog::crash {

// What the server promises beyond NBD's own rules.
struct Promises {
  bool prefix =
      false;  // if an operation survives, all that were answered before it was issued survive
  bool atomic = false;       // an aligned write of 4 KiB survives whole or not at all
  bool keep_acked = false;   // whatever was answered survives the death of the process
  bool trim_zeroes = false;  // a trimmed range reads as zeros
  // Less than NBD's rules: a FLUSH or FUA answered while a zero or trim of the same cells is under
  // way makes them durable neither as they were before it nor as zeros. So is a file on ext4:
  // fallocate drops the cells' dirty pages first and tells the journal afterwards, and an fdatasync
  // between the two has nothing to write.
  bool zeroing_escapes_flush = false;
  // Less than we promise (NBD is silent): a read beside a write or zero of the same cell shows the
  // cell whole, as it was before or after it. Linux's page cache copies to a reader while a writer
  // copies in, so of a file that a stock server serves such a read may show half of each.
  bool torn_reads_beside_writes = false;
};

enum class Fault { kLost, kTorn, kMisplaced, kGhost, kStale, kError };
const char* fault_name(Fault fault);

// Neighbouring cells with the same story are one violation.
struct Violation {
  Fault fault;
  std::uint64_t cell;
  std::string text;
  std::uint64_t cells = 1;
};

using Image = std::vector<CellSeen>;  // of every cell

// `before`: what the disk showed when the round began. `after`: what it shows once the server is
// back. Answers at most `kViolationsMax` violations.
constexpr std::size_t kViolationsMax = 20;
std::vector<Violation> check_survivors(const History& history, const Image& before,
                                       const Image& after, const Promises& promises);
// The round's own reads, and requests that the server refused.
std::vector<Violation> check_answers(const History& history, const Image& before,
                                     const Promises& promises);

}  // namespace tlog::crash
