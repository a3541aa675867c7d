// File: tlog/io/loop_base.h
// What the io_uring and the posix loop have in common: the thread, tasks, timers, the order of
// stopping, sockets. A backend adds waiting, file operations, and receiving and polling of
// descriptors.
//
// Threading: as loop.h says. post() costs another thread one lock, and one eventfd write only when
// the loop sleeps.
#pragma once

#include <atomic>
#include <limits>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tlog/base/mutex.h"
#include "tlog/io/loop.h"
#include "tlog/io/workers.h"

namespace tlog::io {

// Something that must hear of the loop's end: an open socket, a connection attempt.
class LoopClient {
 public:
  virtual ~LoopClient() = default;
  virtual void loop_stops() = 0;
};

// Something that gathers during a turn of the loop and acts once at its end.
class TurnEnd {
 public:
  virtual ~TurnEnd() = default;
  virtual void turn_ends() = 0;
};

class LoopBase : public Loop {
 public:
  using Number = std::uint64_t;               // names an operation under way, for cancel()
  using Finished = std::function<void(int)>;  // what the system call would return, or -errno

  LoopBase(LoopOptions options, Logger& logger) : options_(std::move(options)), logger_(logger) {}
  ~LoopBase() override;

  Status start() final;
  void stop() final;
  bool in_loop_thread() const final { return std::this_thread::get_id() == thread_id_.load(); }
  void post(Task task) final;
  void before_sending(Task task) final;
  void read(File& file, std::uint64_t offset, ByteSpan into, ReadDone done) final;
  void write(File& file, std::uint64_t offset, std::span<const ConstByteSpan> pieces,
             IoDone done) final;
  void write_and_sync(File& file, std::uint64_t offset, std::span<const ConstByteSpan> pieces,
                      IoDone done) final;
  void sync(File& file, IoDone done) final;
  TimerId add_timer(std::uint64_t after_ns, Task task) final;
  void cancel_timer(TimerId timer) final;
  void connect(const std::string& address, std::uint64_t timeout_ns, ConnectDone done) final;
  Result<std::unique_ptr<Listener>> listen(const ListenOptions& options,
                                           Listener::Handlers handlers) final;

  // For sockets and connection attempts; loop thread only. Each `finished` is called exactly once,
  // later.
  virtual Number receive(int descriptor, ByteSpan into, Finished finished) = 0;
  virtual Number wait_writable(int descriptor, Finished finished) = 0;
  virtual Number wait_readable(int descriptor, Finished finished) = 0;
  virtual void cancel(
      Number operation) = 0;  // it then finishes soon, with -ECANCELED or what it had
  void add_client(LoopClient& client) { clients_.insert(&client); }
  void remove_client(LoopClient& client) { clients_.erase(&client); }
  void at_turn_end(std::shared_ptr<TurnEnd> action) { turn_ends_.push_back(std::move(action)); }
  bool closing() const { return closing_; }
  Workers& resolver();

 protected:
  static constexpr std::uint64_t kForever = std::numeric_limits<std::uint64_t>::max();
  enum class Sync { kNo, kYes };

  virtual Status open_backend() = 0;  // on the loop's thread
  virtual void close_backend() = 0;   // on the loop's thread, nothing under way
  // Waits for completions at most so long and runs what they call.
  virtual void wait(std::uint64_t timeout_ns) = 0;
  virtual void submit_read(File& file, std::uint64_t offset, ByteSpan into, ReadDone done) = 0;
  virtual void submit_write(File& file, std::uint64_t offset, std::span<const ConstByteSpan> pieces,
                            Sync sync, IoDone done) = 0;
  virtual void submit_sync(File& file, IoDone done) = 0;

  void begin_operation() { ++operations_; }
  void end_operation() { --operations_; }
  int wake_descriptor() const { return wake_descriptor_; }
  const LoopOptions& options() const { return options_; }
  Logger& logger() { return logger_; }

 private:
  struct Deadline {
    std::uint64_t at_ns;
    TimerId id;
    // std::push_heap keeps the greatest first: the earliest deadline shall be "greatest".
    friend bool operator<(const Deadline& a, const Deadline& b) {
      return a.at_ns != b.at_ns ? a.at_ns > b.at_ns : a.id > b.id;
    }
  };

  void thread_main();
  void run();
  void run_tasks();
  void run_timers();
  void run_last_tasks();
  void run_turn_ends();
  void begin_closing();
  std::uint64_t prepare_to_wait();
  void wait_is_over();
  bool try_end();

  const LoopOptions options_;
  Logger& logger_;
  std::thread thread_;
  std::atomic<std::thread::id> thread_id_{};
  int wake_descriptor_ = -1;

  Mutex mutex_;
  CondVar changed_;
  std::vector<Task> tasks_ GUARDED_BY(mutex_);
  bool sleeping_ GUARDED_BY(mutex_) = false;
  bool ended_ GUARDED_BY(mutex_) = false;
  bool opened_ GUARDED_BY(mutex_) = false;
  Status open_status_ GUARDED_BY(mutex_);

  // The loop's thread only.
  std::vector<Task> running_;
  std::vector<Task> last_tasks_;  // of this turn, before turn_ends_
  std::vector<std::shared_ptr<TurnEnd>> turn_ends_;
  std::vector<Deadline> deadlines_;  // a heap; may name timers that were cancelled
  std::unordered_map<TimerId, Task> timers_;
  TimerId last_timer_ = 0;
  std::unordered_set<LoopClient*> clients_;
  std::uint64_t operations_ = 0;
  bool closing_ = false;
  bool resolver_started_ = false;
  Workers resolver_;
};

std::unique_ptr<Loop> make_uring_loop(const LoopOptions& options, Logger& logger);
std::unique_ptr<Loop> make_posix_loop(const LoopOptions& options, Logger& logger);
// Whether this process may make a ring: 0 or the errno.
int probe_uring();

}  // namespace tlog::io
