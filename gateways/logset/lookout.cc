#include "gateways/logset/lookout.h"

#include <pthread.h>

#include <algorithm>

namespace tlog::logset {
namespace {

constexpr std::uint64_t kLookEveryNs = 2'000'000'000;
// Many logs, or slow stores: looking takes at most so much of the time.
constexpr std::uint64_t kLookShare = 20;

}  // namespace

Result<std::vector<LogLength>> Offered::lengths() const {
  auto found = repository->lengths();
  traffic->looked(found);
  return found;
}

void Lookout::start(Repositories repositories) {
  repositories_ = std::move(repositories);
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "tlog-lookout");
}

void Lookout::stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    stopped_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Lookout::run() {
  for (;;) {
    const auto began = steady_now();
    for (const auto& [name, offered] : repositories_) {
      if (offered.traffic->is_asked()) (void)offered.lengths();  // its error is Traffic's
    }
    const auto took = steady_now() - began;
    const auto next = steady_now() + std::max<std::chrono::steady_clock::duration>(
                                         std::chrono::nanoseconds(kLookEveryNs), kLookShare * took);
    MutexLock lock(mutex_);
    while (!stopping_ && stopped_.wait_until(mutex_, next)) {
    }
    if (stopping_) return;
  }
}

}  // namespace tlog::logset
