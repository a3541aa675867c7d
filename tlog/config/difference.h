// File: tlog/config/difference.h
// What a new configuration changes of the one that is being served, and what of it cannot be done
// while it is. A configuration is taken over as a whole or not at all. Only what this process
// serves counts: other vdisks of the file, and clusters that none of its own uses, are other
// processes' business. Which keys may change is in the property table (Property::reload).
//
// Threading: pure functions and values.
#pragma once

#include <string>
#include <vector>

#include "tlog/config/config.h"

namespace tlog::config {

struct Served {
  std::vector<std::string> vdisks;
  bool all = true;  // those of the file, whichever they are; otherwise chosen by name
};

struct Change {
  std::string key;   // "vdisks.vm1.tlog.flushSize"
  std::string text;  // "25 -> 50"
  friend bool operator==(const Change&, const Change&) = default;
};

struct Refusal {
  std::string trail;  // "vdisks/vm1/tlog/dataShards"
  std::string reason;
  friend bool operator==(const Refusal&, const Refusal&) = default;
};

struct Difference {
  std::vector<Change> changes;    // that may be made
  std::vector<Refusal> refusals;  // none: the whole of it may be
};

// Both have passed check() without a problem, and `served` are vdisks of `running`.
Difference compare(const Config& running, const Config& wanted, const Served& served);

// Where the refused key stands. A vdisk's setting may stand in the file's tlog section.
Problem problem_of(const Refusal& refusal, const Positions& positions);

}  // namespace tlog::config
