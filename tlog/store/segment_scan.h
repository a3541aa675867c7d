// File: tlog/store/segment_scan.h
// Finds the entries of a segment that has no index: after a crash, or while another process still
// writes it.
//
// Only headers are read where the data was durable (each entry says how far, so a large segment
// costs one small read an entry); bodies are checked where a crash may have torn them. Where no
// entry begins, the next one is looked for at every possible place: what is whole is kept, and what
// lies between is a hole that says whether it had been durable. Threading: one thread for a scan.
// Errors: those of the file; bad bytes are holes.
#pragma once

#include <limits>

#include "tlog/io/file.h"
#include "tlog/store/segment_format.h"

namespace tlog::store {

struct ScannedEntry {
  std::string key;
  EntryLocation location;
};

struct SegmentHole {
  std::uint64_t offset = 0;
  std::uint64_t end = 0;
};

// How far a scan has come. A later scan goes on from here.
struct SegmentScan {
  std::uint64_t salt = 0;  // 0: not known (the header is damaged), that of the first entry found
  std::uint64_t position = kSegmentHeaderBytes;  // behind the last entry
  std::uint64_t durable_end = 0;  // the most that an entry says of the ones before it
  std::uint64_t last_sequence = 0;
  std::vector<ScannedEntry> entries;
  std::vector<SegmentHole> holes;  // before `position`

  // Of what had been durable, how much cannot be read.
  std::uint64_t damaged_bytes() const;
  std::uint64_t hole_bytes() const;
};

struct ScanOptions {
  // What lies behind it was reported as failed, what lies before was durable: the next segment says
  // so.
  std::uint64_t known_end = std::numeric_limits<std::uint64_t>::max();
  // Another process is writing: the scan stops before what may only be unfinished.
  bool live = false;

  bool end_is_known() const { return known_end != std::numeric_limits<std::uint64_t>::max(); }
};

Status scan_segment(io::File& file, const ScanOptions& options, SegmentScan& scan);

// Whether the body of an entry is what its header (or the index) promises. An error only if reading
// fails.
Result<bool> body_is_intact(io::File& file, std::string_view key, const EntryLocation& location);

}  // namespace tlog::store
