// File: tlog/io/loop.h
// The ring thread: one event loop per process that carries journal writes and syncs, the stores' files and sockets,
// and timers. Two implementations: io_uring (one ring, SINGLE_ISSUER) and posix (poll and a few helper threads for
// file operations) for where io_uring is forbidden; make_loop() chooses.
//
// Threading: post() and start()/stop() from any thread; everything else only on the loop's own thread
// (in_loop_thread()), where all completions and tasks run. They must not block.
// Lifetime: files, sockets and memory given to an operation must outlive its completion. Every operation completes
// exactly once, also at stop().
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tlog/base/log.h"
#include "tlog/base/types.h"
#include "tlog/io/file.h"

namespace tlog::io {

enum class IoMode { kAuto, kUring, kPosix };

using Task = std::function<void()>;
using ReadDone = std::function<void(Result<std::size_t>)>;
using IoDone = std::function<void(Status)>;
using TimerId = std::uint64_t;  // 0: none

// A connected stream socket. Loop thread only.
// send() queues: the pieces must stay valid until `done`, which comes after the last byte was taken by the kernel;
// sends complete in order. Received bytes arrive through `on_data` until close(), `on_closed` comes once for the
// peer's end, an error, or never after close(). close() fails what is queued with kShutdown, before it returns.
class Socket {
 public:
  struct Handlers {
    std::function<void(ConstByteSpan)> on_data;
    std::function<void(Error)> on_closed;
  };
  virtual ~Socket() = default;
  virtual void start(Handlers handlers) = 0;  // begins receiving
  virtual void send(std::vector<ConstByteSpan> pieces, IoDone done) = 0;
  virtual void set_quick_ack(bool on) = 0;  // re-arm TCP_QUICKACK after each receive (ardb: facts of Nagle)
  virtual void close() = 0;                 // idempotent
};
using ConnectDone = std::function<void(Result<std::unique_ptr<Socket>>)>;

class Loop {
 public:
  virtual ~Loop() = default;

  // Starts the thread (after fork). stop() lets queued tasks and operations finish, fails new ones, joins.
  virtual Status start() = 0;
  virtual void stop() = 0;
  virtual IoMode mode() const = 0;  // kUring or kPosix: what it really is
  virtual bool in_loop_thread() const = 0;

  virtual void post(Task task) = 0;
  // Loop thread only: runs `task` when everything else of this turn has run, and before what it sends leaves. So what
  // `task` sends leaves together with that, and costs no system call of its own. A loop that has no turns posts it.
  virtual void before_sending(Task task) { post(std::move(task)); }

  virtual void read(File& file, std::uint64_t offset, ByteSpan into, ReadDone done) = 0;
  // A short write is completed or fails. The span of pieces is copied, the bytes are not.
  virtual void write(File& file, std::uint64_t offset, std::span<const ConstByteSpan> pieces, IoDone done) = 0;
  // Write, then sync_data, as one linked pair: success says that these and all earlier completed writes of the
  // file are durable.
  virtual void write_and_sync(File& file, std::uint64_t offset, std::span<const ConstByteSpan> pieces,
                              IoDone done) = 0;
  virtual void sync(File& file, IoDone done) = 0;

  virtual TimerId add_timer(std::uint64_t after_ns, Task task) = 0;
  virtual void cancel_timer(TimerId timer) = 0;  // unknown or expired: nothing happens

  // `address`: "host:port" (numeric or resolvable, [v6]:port), or "unix:/path". Resolving never blocks the loop.
  virtual void connect(const std::string& address, std::uint64_t timeout_ns, ConnectDone done) = 0;
};

struct LoopOptions {
  IoMode mode = IoMode::kAuto;
  std::string thread_name = "tlog-ring";
  unsigned queue_entries = 512;
};
// kAuto: io_uring where the kernel and its policy allow it, posix elsewhere, said in the log with the likely cause.
// kUring where it is not allowed: kNotSupported with the likely cause and the remedy.
// Probes in the calling process; makes the ring in start(), in the thread that uses it.
Result<std::unique_ptr<Loop>> make_loop(const LoopOptions& options, Logger& logger);

// Runs `task` on the loop and waits for it. Not from the loop's thread.
void run_on(Loop& loop, const Task& task);

}  // namespace tlog::io
