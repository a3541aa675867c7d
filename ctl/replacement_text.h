// File: ctl/replacement_text.h
// What `tlogctl cluster replace` says before and afterwards, for people and for programs.
// Threading: pure functions.
#pragma once

#include <string>
#include <vector>

#include "ctl/replacement.h"
#include "ctl/replacement_follow.h"

namespace tlog::ctl {

std::string plan_text(const Replacement& replacement, const Verdict& verdict);

// How it went.
struct ReplacementResult {
  bool is_written = false;        // the file
  bool is_taken_over = false;     // by all servers that run
  std::vector<Filling> fillings;  // none: nobody has waited
};
std::string result_text(const Replacement& replacement, const ReplacementResult& result);
std::string replacement_json(const Replacement& replacement, const Verdict& verdict,
                             const ReplacementResult& result);

}  // namespace tlog::ctl
