#include "tlog/io/loop_base.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "tlog/base/assert.h"
#include "tlog/base/clock.h"
#include "tlog/io/connector.h"
#include "tlog/io/listener.h"

namespace tlog::io {
namespace {

Error stopped(std::string_view operation, const std::string& object) {
  return Error(Code::kShutdown,
               std::string(operation) + ": " + object + ": the loop has been stopped");
}

}  // namespace

Status LoopBase::start() {
  TLOG_ASSERT(!thread_.joinable());
  // Blocking, because io_uring answers EAGAIN for a descriptor with O_NONBLOCK instead of waiting.
  if (wake_descriptor_ < 0) wake_descriptor_ = ::eventfd(0, EFD_CLOEXEC);
  if (wake_descriptor_ < 0) return fail(os_error(errno, "start: event loop"));
  thread_ = std::thread([this] { thread_main(); });
  Status status;
  {
    MutexLock lock(mutex_);
    while (!opened_) changed_.wait(mutex_);
    status = open_status_;
  }
  if (status) return {};
  thread_.join();
  MutexLock lock(mutex_);
  opened_ = false;
  return status;
}

void LoopBase::stop() {
  TLOG_ASSERT(!in_loop_thread());
  if (!thread_.joinable()) return;
  // As a task, so that everything posted before it still finds an open loop.
  post([this] { begin_closing(); });
  thread_.join();
  if (resolver_started_) resolver_.stop();
}

// Not in stop(): a post() that came just before the end may still be about to write to it.
LoopBase::~LoopBase() {
  if (wake_descriptor_ >= 0) ::close(wake_descriptor_);
}

void LoopBase::thread_main() {
  thread_id_ = std::this_thread::get_id();
  pthread_setname_np(pthread_self(), options_.thread_name.substr(0, 15).c_str());
  Status status = open_backend();
  {
    MutexLock lock(mutex_);
    open_status_ = status;
    opened_ = true;
  }
  changed_.notify_all();
  if (status) {
    run();
    close_backend();
  }
  thread_id_ = std::thread::id();
}

void LoopBase::run() {
  for (;;) {
    run_tasks();
    run_timers();
    run_last_tasks();
    run_turn_ends();
    if (closing_ && try_end()) return;
    wait(prepare_to_wait());
    wait_is_over();
  }
}

// After the end a task runs at once in the thread that posts it: a completion must come exactly
// once, also then.
void LoopBase::post(Task task) {
  bool run_here = false;
  bool wake = false;
  {
    MutexLock lock(mutex_);
    run_here = ended_;
    if (!run_here) {
      tasks_.push_back(std::move(task));
      wake = sleeping_;
      sleeping_ = false;
    }
  }
  if (run_here) task();
  if (wake) {
    std::uint64_t one = 1;
    [[maybe_unused]] ssize_t written = ::write(wake_descriptor_, &one, sizeof one);
  }
}

void LoopBase::run_tasks() {
  {
    MutexLock lock(mutex_);
    running_.swap(tasks_);
  }
  for (Task& task : running_) {
    task();
    task = nullptr;  // what it holds is released now, not with the batch
  }
  running_.clear();
}

// After the end there are no turns any more.
void LoopBase::before_sending(Task task) {
  if (!in_loop_thread()) return post(std::move(task));
  last_tasks_.push_back(std::move(task));
}

// What these add comes at the end of the next turn, so that they cannot keep the loop here.
void LoopBase::run_last_tasks() {
  std::vector<Task> tasks;
  tasks.swap(last_tasks_);
  for (Task& task : tasks) task();
}

std::uint64_t LoopBase::prepare_to_wait() {
  if (!turn_ends_.empty() || !last_tasks_.empty()) return 0;
  std::uint64_t timeout = kForever;
  if (!deadlines_.empty()) {
    std::uint64_t now = system_clock().monotonic_ns();
    timeout = deadlines_.front().at_ns > now ? deadlines_.front().at_ns - now : 0;
  }
  if (timeout == 0) return 0;
  MutexLock lock(mutex_);
  if (!tasks_.empty()) return 0;
  sleeping_ = true;
  return timeout;
}

void LoopBase::wait_is_over() {
  MutexLock lock(mutex_);
  sleeping_ = false;
}

void LoopBase::begin_closing() {
  closing_ = true;
  timers_.clear();
  deadlines_.clear();
  std::vector<LoopClient*> clients(clients_.begin(), clients_.end());
  for (LoopClient* client : clients) {
    if (clients_.contains(client)) client->loop_stops();  // one may end another
  }
}

bool LoopBase::try_end() {
  if (operations_ != 0 || !turn_ends_.empty() || !last_tasks_.empty()) return false;
  MutexLock lock(mutex_);
  if (!tasks_.empty()) return false;
  ended_ = true;
  return true;
}

void LoopBase::run_turn_ends() {
  std::vector<std::shared_ptr<TurnEnd>> actions;
  actions.swap(turn_ends_);
  for (auto& action : actions) action->turn_ends();
}

TimerId LoopBase::add_timer(std::uint64_t after_ns, Task task) {
  TimerId id = ++last_timer_;
  if (closing_) return id;  // it would never come
  std::uint64_t now = system_clock().monotonic_ns();
  std::uint64_t at = after_ns < kForever - now ? now + after_ns : kForever;
  deadlines_.push_back({at, id});
  std::push_heap(deadlines_.begin(), deadlines_.end());
  timers_.emplace(id, std::move(task));
  return id;
}

void LoopBase::cancel_timer(TimerId timer) {
  timers_.erase(timer);
  // Request deadlines are nearly always cancelled: do not let them gather until they would have
  // expired.
  if (deadlines_.size() < 64 || deadlines_.size() < 4 * timers_.size()) return;
  std::erase_if(deadlines_, [this](const Deadline& d) { return !timers_.contains(d.id); });
  std::make_heap(deadlines_.begin(), deadlines_.end());
}

void LoopBase::run_timers() {
  if (deadlines_.empty()) return;
  std::uint64_t now = system_clock().monotonic_ns();
  // Timers made by these tasks wait for the next turn, so that one of 0 ns cannot keep the loop
  // here.
  TimerId newest = last_timer_;
  while (!deadlines_.empty() && deadlines_.front().at_ns <= now &&
         deadlines_.front().id <= newest) {
    TimerId id = deadlines_.front().id;
    std::pop_heap(deadlines_.begin(), deadlines_.end());
    deadlines_.pop_back();
    auto timer = timers_.extract(id);
    if (!timer.empty()) timer.mapped()();
  }
}

// A file without a descriptor is a test double: its own calls are the only truth, so they run here
// and now.
void LoopBase::read(File& file, std::uint64_t offset, ByteSpan into, ReadDone done) {
  if (closing_) {
    post([done = std::move(done), e = stopped("read", file.path())] { done(fail(e)); });
  } else if (file.descriptor() < 0) {
    post([done = std::move(done), result = file.read(offset, into)]() mutable {
      done(std::move(result));
    });
  } else {
    submit_read(file, offset, into, std::move(done));
  }
}

void LoopBase::write(File& file, std::uint64_t offset, std::span<const ConstByteSpan> pieces,
                     IoDone done) {
  if (closing_) {
    post([done = std::move(done), e = stopped("write", file.path())] { done(fail(e)); });
  } else if (file.descriptor() < 0) {
    post([done = std::move(done), result = file.write(offset, pieces)]() mutable {
      done(std::move(result));
    });
  } else {
    submit_write(file, offset, pieces, Sync::kNo, std::move(done));
  }
}

void LoopBase::write_and_sync(File& file, std::uint64_t offset,
                              std::span<const ConstByteSpan> pieces, IoDone done) {
  if (closing_) {
    post([done = std::move(done), e = stopped("write", file.path())] { done(fail(e)); });
  } else if (file.descriptor() < 0) {
    Status result = file.write(offset, pieces);
    if (result) result = file.sync_data();
    post([done = std::move(done), result = std::move(result)]() mutable {
      done(std::move(result));
    });
  } else {
    submit_write(file, offset, pieces, Sync::kYes, std::move(done));
  }
}

void LoopBase::sync(File& file, IoDone done) {
  if (closing_) {
    post([done = std::move(done), e = stopped("sync", file.path())] { done(fail(e)); });
  } else if (file.descriptor() < 0) {
    post(
        [done = std::move(done), result = file.sync_data()]() mutable { done(std::move(result)); });
  } else {
    submit_sync(file, std::move(done));
  }
}

Workers& LoopBase::resolver() {
  if (!resolver_started_) resolver_.start(1, "tlog-resolve");
  resolver_started_ = true;
  return resolver_;
}

void LoopBase::connect(const std::string& address, std::uint64_t timeout_ns, ConnectDone done) {
  if (closing_) {
    post([done = std::move(done), e = stopped("connect", address)] { done(fail(e)); });
    return;
  }
  connect_socket(*this, address, timeout_ns, std::move(done));
}

Result<std::unique_ptr<Listener>> LoopBase::listen(const ListenOptions& options,
                                                   Listener::Handlers handlers) {
  return listen_on(*this, options, std::move(handlers));
}

Result<std::unique_ptr<Listener>> Loop::listen(const ListenOptions& options, Listener::Handlers) {
  return fail(Code::kNotSupported,
              "listen: " + options.address + ": this loop has no listening sockets");
}

void run_on(Loop& loop, const Task& task) {
  TLOG_ASSERT(!loop.in_loop_thread());
  Mutex mutex;
  CondVar changed;
  bool done = false;
  loop.post([&] {
    task();
    // Notified under the lock: the waiter's stack, and these with it, may be gone right after.
    MutexLock lock(mutex);
    done = true;
    changed.notify_all();
  });
  MutexLock lock(mutex);
  while (!done) changed.wait(mutex);
}

}  // namespace tlog::io
