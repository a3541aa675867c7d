// BytePipe: bytes from one thread to another, a bounded number of them on the way.
// Threading: one thread writes, one reads; fail() from any.
// Errors: kShutdown for who writes when nobody reads any more; the writer's error for the reader.
#pragma once

#include <optional>
#include <vector>

#include "tlog/base/mutex.h"
#include "tlog/base/types.h"

namespace tlog::logset {

class BytePipe {
 public:
  Status write(ConstByteSpan bytes) EXCLUDES(mutex_);  // waits for room
  void end() EXCLUDES(mutex_);                         // nothing more comes
  void fail_writing(Error error) EXCLUDES(mutex_);     // nor is what came whole

  // Waits for the first byte; false: there is none.
  Result<bool> wait_for_any() EXCLUDES(mutex_);
  Result<std::size_t> read(ByteSpan into) EXCLUDES(mutex_);  // 0: the end
  void stop_reading() EXCLUDES(mutex_);

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::byte> bytes_ GUARDED_BY(mutex_);
  std::size_t read_ GUARDED_BY(mutex_) = 0;  // of bytes_
  bool ended_ GUARDED_BY(mutex_) = false;
  bool stopped_ GUARDED_BY(mutex_) = false;
  std::optional<Error> error_ GUARDED_BY(mutex_);
};

}  // namespace tlog::logset
