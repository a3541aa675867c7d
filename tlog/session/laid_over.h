// File: tlog/session/laid_over.h
// LaidOver: records laid over each other in the order of their sequences: the newest bytes of each
// range, which is all that block storage needs. For records whose data lies in memory, as those of
// opened aggregations do. Threading: one thread at a time.
#pragma once

#include <vector>

#include "tlog/blocks/block_storage.h"
#include "tlog/format/record.h"
#include "tlog/session/overlay.h"

namespace tlog::session {

class LaidOver {
 public:
  // Its data must stay where it is.
  void add(const format::Record& record);
  std::vector<blocks::RefillStep::Change> changes() const;

 private:
  Overlay overlay_;
};

}  // namespace tlog::session
