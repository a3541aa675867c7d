// File: slave-sync/active_watch.h
// ActiveWatch: for how long a vdisk's active block storage has been failing without interruption:
// a server of it does not answer, or lacks what it had confirmed. Asks each server for a sign of
// life now and then, because one that hangs shows only when it is asked. Threading: one thread.
#pragma once

#include <string>

#include "tlog/blocks/block_storage.h"

namespace tlog::standby {

class ActiveWatch {
 public:
  // Looks at the storage at this time (monotonic). A storage other than the last time begins well.
  void look(blocks::BlockStorage& storage, std::uint64_t now_ns);
  std::uint64_t failing_since() const { return failing_since_ns_; }  // 0: it is well
  const std::string& what() const { return what_; }                  // is failing, and how

 private:
  const blocks::BlockStorage* storage_ = nullptr;
  std::uint64_t failing_since_ns_ = 0;
  std::uint64_t asked_ns_ = 0;
  std::string what_;
};

// The first server that cannot be used, and why; "" when all can.
std::string failing_part(const blocks::BlockStorage& storage);

}  // namespace tlog::standby
