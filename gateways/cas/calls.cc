#include "gateways/cas/calls.h"

#include <fmt/format.h>

#include <map>

#include "tlog/base/clock.h"
#include "tlog/base/mutex.h"
#include "tlog/io/workers.h"

namespace tlog::cas {
namespace {

constexpr std::uint64_t kCallBytes = 4096;  // of one that carries nothing

class RunningCalls final : public Calls {
 public:
  RunningCalls(unsigned threads, std::uint64_t bytes_max) : bytes_max_(bytes_max) {
    workers_.start(threads, "tlog-cas");
  }
  ~RunningCalls() override { RunningCalls::stop(); }

  Result<Id> admit(std::uint64_t bytes, std::function<void()> cancel) override {
    MutexLock lock(mutex_);
    if (stopped_) return fail(Code::kShutdown, "this server stops; ask again later");
    bytes += kCallBytes;
    if (bytes_ + bytes > bytes_max_) {
      return fail(Code::kUnavailable,
                  fmt::format("{} calls with {} bytes are under way; ask again later",
                              calls_.size(), bytes_));
    }
    bytes_ += bytes;
    calls_.emplace(next_, Call{.bytes = bytes,
                               .begun_ns = system_clock().monotonic_ns(),
                               .cancel = std::move(cancel)});
    return next_++;
  }

  void submit(std::function<void()> work) override { workers_.submit(std::move(work)); }

  void add_bytes(Id id, std::uint64_t bytes) override {
    MutexLock lock(mutex_);
    calls_.at(id).bytes += bytes;
    bytes_ += bytes;
  }

  void end(Id id) override {
    MutexLock lock(mutex_);
    const auto found = calls_.find(id);
    bytes_ -= found->second.bytes;
    calls_.erase(found);
    if (calls_.empty()) changed_.notify_all();
  }

  void cancel_older_than(std::uint64_t ns) override {
    const std::uint64_t now = system_clock().monotonic_ns();
    MutexLock lock(mutex_);
    for (const auto& [id, call] : calls_) {
      if (call.begun_ns + ns < now) call.cancel();
    }
  }

  void stop_admitting() override {
    MutexLock lock(mutex_);
    stopped_ = true;
  }

  void stop() override {
    stop_admitting();
    {
      MutexLock lock(mutex_);
      while (!calls_.empty()) changed_.wait(mutex_);
    }
    workers_.stop();
  }

 private:
  struct Call {
    std::uint64_t bytes;
    std::uint64_t begun_ns;
    std::function<void()> cancel;
  };

  const std::uint64_t bytes_max_;
  Mutex mutex_;
  CondVar changed_;
  std::map<Id, Call> calls_ GUARDED_BY(mutex_);
  Id next_ GUARDED_BY(mutex_) = 0;
  std::uint64_t bytes_ GUARDED_BY(mutex_) = 0;
  bool stopped_ GUARDED_BY(mutex_) = false;
  io::Workers workers_;
};

}  // namespace

std::unique_ptr<Calls> Calls::start(unsigned threads, std::uint64_t bytes_max) {
  return std::make_unique<RunningCalls>(threads, bytes_max);
}

}  // namespace tlog::cas
