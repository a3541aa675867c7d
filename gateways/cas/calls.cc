#include "gateways/cas/calls.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <utility>

#include "tlog/base/assert.h"
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
    if (bytes_ + answer_bytes_ + bytes > bytes_max_) {
      return fail(Code::kUnavailable,
                  fmt::format("{} calls with {} bytes are under way; ask again later",
                              calls_.size(), bytes_ + answer_bytes_));
    }
    bytes_ += bytes;
    calls_.emplace(next_, Call{.bytes = bytes,
                               .begun_ns = system_clock().monotonic_ns(),
                               .cancel = std::move(cancel),
                               .answer_bytes = 0,
                               .work = {}});
    return next_++;
  }

  void submit(Id id, std::uint64_t answer_bytes_max, std::function<void()> work) override {
    if (answer_bytes_max == 0) return workers_.submit(std::move(work));
    MutexLock lock(mutex_);
    Call& call = calls_.at(id);
    call.answer_bytes = answer_bytes_max;
    call.work = std::move(work);
    waiting_.insert(id);
    let_in();
  }

  void has_answer(Id id, std::uint64_t bytes) override {
    MutexLock lock(mutex_);
    Call& call = calls_.at(id);
    answer_bytes_ += bytes - call.answer_bytes;
    call.answer_bytes = bytes;
    let_in();
  }

  void hurry(Id id) override {
    MutexLock lock(mutex_);
    wait_no_longer(id);
  }

  void end(Id id) override {
    MutexLock lock(mutex_);
    const auto found = calls_.find(id);
    bytes_ -= found->second.bytes;
    // One whose submit() has waited has not been counted; it ends only after its work.
    TLOG_ASSERT(!waiting_.contains(id));
    answer_bytes_ -= found->second.answer_bytes;
    calls_.erase(found);
    let_in();
    if (calls_.empty()) changed_.notify_all();
  }

  void cancel_older_than(std::uint64_t ns) override {
    const std::uint64_t now = system_clock().monotonic_ns();
    MutexLock lock(mutex_);
    for (const auto& [id, call] : calls_) {
      if (call.begun_ns + ns >= now) continue;
      call.cancel();
      // Its hurry() comes later, and an end that comes before that would let it in.
      wait_no_longer(id);
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
    std::uint64_t answer_bytes;  // kept free for it, then its length
    std::function<void()> work;  // while it waits for room
  };

  void wait_no_longer(Id id) REQUIRES(mutex_) {
    if (waiting_.erase(id) == 0) return;
    Call& call = calls_.at(id);
    call.answer_bytes = 0;
    workers_.submit(std::exchange(call.work, {}));
  }

  // A single one always has room, whatever the bound.
  void let_in() REQUIRES(mutex_) {
    while (!waiting_.empty()) {
      const Id id = *waiting_.begin();
      Call& call = calls_.at(id);
      const bool has_room = bytes_ + answer_bytes_ + call.answer_bytes <= bytes_max_;
      if (!has_room && answer_bytes_ != 0) return;
      answer_bytes_ += call.answer_bytes;
      waiting_.erase(id);
      workers_.submit(std::exchange(call.work, {}));
    }
  }

  const std::uint64_t bytes_max_;
  Mutex mutex_;
  CondVar changed_;
  std::map<Id, Call> calls_ GUARDED_BY(mutex_);
  Id next_ GUARDED_BY(mutex_) = 0;
  std::set<Id> waiting_ GUARDED_BY(mutex_);     // for room for their answers
  std::uint64_t bytes_ GUARDED_BY(mutex_) = 0;  // of requests
  std::uint64_t answer_bytes_ GUARDED_BY(mutex_) = 0;
  bool stopped_ GUARDED_BY(mutex_) = false;
  io::Workers workers_;
};

}  // namespace

std::unique_ptr<Calls> Calls::start(unsigned threads, std::uint64_t bytes_max) {
  return std::make_unique<RunningCalls>(threads, bytes_max);
}

}  // namespace tlog::cas
