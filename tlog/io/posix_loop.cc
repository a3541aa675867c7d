// The loop over poll(2), for where io_uring is forbidden. File operations block, so helper threads
// do them.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>

#include "tlog/base/assert.h"
#include "tlog/io/loop_base.h"

namespace tlog::io {
namespace {

constexpr unsigned kHelpers = 4;

class PosixLoop final : public LoopBase {
 public:
  using LoopBase::LoopBase;
  ~PosixLoop() override { stop(); }

  IoMode mode() const override { return IoMode::kPosix; }
  Number receive(int descriptor, ByteSpan into, Finished finished) override {
    return add_waiter({0, descriptor, POLLIN, into, std::move(finished)});
  }
  Number wait_writable(int descriptor, Finished finished) override {
    return add_waiter({0, descriptor, POLLOUT, {}, std::move(finished)});
  }
  Number wait_readable(int descriptor, Finished finished) override {
    return add_waiter({0, descriptor, POLLIN, {}, std::move(finished)});
  }
  void cancel(Number operation) override;

 protected:
  Status open_backend() override {
    helpers_.start(kHelpers, options().thread_name + "-io");
    return {};
  }
  void close_backend() override { helpers_.stop(); }
  void wait(std::uint64_t timeout_ns) override;
  void submit_read(File& file, std::uint64_t offset, ByteSpan into, ReadDone done) override;
  void submit_write(File& file, std::uint64_t offset, std::span<const ConstByteSpan> pieces,
                    Sync sync, IoDone done) override;
  void submit_sync(File& file, IoDone done) override;

 private:
  struct Waiter {
    Number number;
    int descriptor;
    short events;
    ByteSpan into;  // POLLIN: where the bytes go; nowhere: only awaited
    Finished finished;
  };

  Number add_waiter(Waiter waiter);
  void finish(Waiter waiter, int result);
  // True when the waiter has its result.
  static bool try_now(const Waiter& waiter, int& result);
  void drain_wakeups();
  template <class Answer, class Done>
  void finish_file(Answer answer, Done done);

  Workers helpers_;
  std::vector<Waiter> waiters_;
  std::vector<pollfd> polled_;
  Number last_number_ = 0;
};

LoopBase::Number PosixLoop::add_waiter(Waiter waiter) {
  begin_operation();
  waiter.number = ++last_number_;
  waiters_.push_back(std::move(waiter));
  return last_number_;
}

void PosixLoop::finish(Waiter waiter, int result) {
  end_operation();
  waiter.finished(result);
}

void PosixLoop::cancel(Number operation) {
  auto found = std::find_if(waiters_.begin(), waiters_.end(),
                            [operation](const Waiter& w) { return w.number == operation; });
  if (found == waiters_.end()) return;
  Waiter waiter = std::move(*found);
  waiters_.erase(found);
  end_operation();
  post([finished = std::move(waiter.finished)] { finished(-ECANCELED); });
}

bool PosixLoop::try_now(const Waiter& waiter, int& result) {
  if (waiter.into.empty()) {
    result = waiter.events;
    return true;
  }
  ssize_t got = ::recv(waiter.descriptor, waiter.into.data(), waiter.into.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return false;
  result = got < 0 ? -errno : static_cast<int>(got);
  return true;
}

void PosixLoop::drain_wakeups() {
  // Not more than one read: the descriptor blocks, and poll() has promised only this one.
  std::uint64_t count = 0;
  [[maybe_unused]] ssize_t got = ::read(wake_descriptor(), &count, sizeof count);
}

void PosixLoop::wait(std::uint64_t timeout_ns) {
  polled_.clear();
  polled_.push_back({wake_descriptor(), POLLIN, 0});
  std::vector<Number> numbers;
  for (const Waiter& waiter : waiters_) {
    polled_.push_back({waiter.descriptor, waiter.events, 0});
    numbers.push_back(waiter.number);
  }
  constexpr std::uint64_t kSecond = 1'000'000'000;
  timespec limit{static_cast<time_t>(timeout_ns / kSecond),
                 static_cast<long>(timeout_ns % kSecond)};
  int ready =
      ::ppoll(polled_.data(), polled_.size(), timeout_ns == kForever ? nullptr : &limit, nullptr);
  TLOG_ASSERT(ready >= 0 || errno == EINTR || errno == ENOMEM);
  if (ready <= 0) return;
  if (polled_[0].revents != 0) drain_wakeups();
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (polled_[i + 1].revents == 0) continue;
    // Looked up anew: what finished before may have cancelled or added others.
    auto found = std::find_if(waiters_.begin(), waiters_.end(),
                              [n = numbers[i]](const Waiter& w) { return w.number == n; });
    int result = 0;
    if (found == waiters_.end() || !try_now(*found, result)) continue;
    Waiter waiter = std::move(*found);
    waiters_.erase(found);
    finish(std::move(waiter), result);
  }
}

// On a helper: brings the answer back to the loop's thread.
template <class Answer, class Done>
void PosixLoop::finish_file(Answer answer, Done done) {
  post([this, answer = std::move(answer), done = std::move(done)]() mutable {
    end_operation();
    done(std::move(answer));
  });
}

void PosixLoop::submit_read(File& file, std::uint64_t offset, ByteSpan into, ReadDone done) {
  begin_operation();
  helpers_.submit([this, &file, offset, into, done = std::move(done)]() mutable {
    finish_file(file.read(offset, into), std::move(done));
  });
}

void PosixLoop::submit_write(File& file, std::uint64_t offset,
                             std::span<const ConstByteSpan> pieces, Sync sync, IoDone done) {
  begin_operation();
  helpers_.submit([this, &file, offset, sync, done = std::move(done),
                   copy = std::vector<ConstByteSpan>(pieces.begin(), pieces.end())]() mutable {
    Status status = file.write(offset, copy);
    if (status && sync == Sync::kYes) status = file.sync_data();
    finish_file(std::move(status), std::move(done));
  });
}

void PosixLoop::submit_sync(File& file, IoDone done) {
  begin_operation();
  helpers_.submit([this, &file, done = std::move(done)]() mutable {
    finish_file(file.sync_data(), std::move(done));
  });
}

}  // namespace

std::unique_ptr<Loop> make_posix_loop(const LoopOptions& options, Logger& logger) {
  return std::make_unique<PosixLoop>(options, logger);
}

}  // namespace tlog::io
