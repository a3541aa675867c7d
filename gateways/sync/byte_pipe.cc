#include "gateways/sync/byte_pipe.h"

#include <algorithm>

namespace tlog::logset {
namespace {

constexpr std::size_t kPipeBytesMax = 4 * kMiB;

}  // namespace

Status BytePipe::write(ConstByteSpan bytes) {
  MutexLock lock(mutex_);
  while (!stopped_ && !bytes_.empty() && bytes_.size() + bytes.size() > kPipeBytesMax) {
    changed_.wait(mutex_);
  }
  if (stopped_) return fail(Code::kShutdown, "sync: nobody takes it any more");
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  changed_.notify_all();
  return {};
}

void BytePipe::end() {
  MutexLock lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void BytePipe::fail_writing(Error error) {
  MutexLock lock(mutex_);
  error_ = std::move(error);
  changed_.notify_all();
}

Result<bool> BytePipe::wait_for_any() {
  MutexLock lock(mutex_);
  while (bytes_.empty() && !ended_ && !error_) changed_.wait(mutex_);
  if (error_) return fail(*error_);
  return !bytes_.empty();
}

Result<std::size_t> BytePipe::read(ByteSpan into) {
  MutexLock lock(mutex_);
  while (bytes_.empty() && !ended_ && !error_) changed_.wait(mutex_);
  if (error_) return fail(*error_);
  const std::size_t size = std::min(into.size(), bytes_.size() - read_);
  std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(read_), size, into.begin());
  read_ += size;
  if (read_ == bytes_.size()) {
    bytes_.clear();
    read_ = 0;
    changed_.notify_all();
  }
  return size;
}

void BytePipe::stop_reading() {
  MutexLock lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

}  // namespace tlog::logset
