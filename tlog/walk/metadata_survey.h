// File: tlog/walk/metadata_survey.h
// Asks every store for a vdisk's metadata and decides what is true: behind read_metadata() and
// LogReader::open(). Threading: not from the loop's thread: waits for the stores, not for ever.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tlog/format/metadata.h"
#include "tlog/store/store.h"

namespace tlog::walk {

struct MetadataSurvey {
  format::Metadata metadata;          // the newest intact generation
  unsigned copies = 0;                // stores that have this generation
  std::vector<bool> lacking;          // per store: it answered that it has no metadata at all
  std::vector<bool> silent;           // per store: it did not answer, or only that it cannot
  std::vector<bool> wiped;            // of these, those that the metadata knows to have had it
  std::vector<std::string> warnings;  // corrupt copies, stores that were wiped or are behind
};

// Errors: as read_metadata().
Result<MetadataSurvey> survey_metadata(const std::string& vdisk,
                                       std::span<store::Store* const> stores);

}  // namespace tlog::walk
