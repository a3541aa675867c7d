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

// Where received bytes shall go instead of the socket's own memory. `keeper` is held as long as the kernel may write
// there, which can be longer than the Socket lives.
struct ReceiveTarget {
  ByteSpan into;
  std::shared_ptr<void> keeper;
};

// A connected stream socket. Loop thread only.
// send() queues: the pieces must stay valid until `done`, which comes after the last byte was taken by the kernel;
// sends complete in order. Received bytes arrive through `on_data` until close(), `on_closed` comes once for the
// peer's end, an error, or never after close(). close() fails what is queued with kShutdown, before it returns.
class Socket {
 public:
  struct Handlers {
    std::function<void(ConstByteSpan)> on_data;
    std::function<void(Error)> on_closed;  // kUnavailable: the peer ended the connection; others: an error
    // Asked before each receive; on_data then gets a part of it, from its beginning. Null or an empty target: the
    // socket's own memory.
    std::function<ReceiveTarget()> target = nullptr;
  };
  virtual ~Socket() = default;
  virtual void start(Handlers handlers) = 0;  // begins receiving
  virtual void send(std::vector<ConstByteSpan> pieces, IoDone done) = 0;
  // While it is off nothing is received, so that the peer's sends pile up at the peer, and no handler is called but
  // for errors: the peer's end is noticed when it is on again. What has arrived already comes then, from the loop.
  virtual void set_reading(bool on) = 0;
  // A peer from which nothing comes for about so long, not even an acknowledgement of what it was sent or asked, ends
  // the connection (kTimeout or kIoError). One that is there and merely does not read is not ended. TCP only.
  virtual void end_when_peer_vanishes(std::uint64_t within_ns) = 0;
  virtual void set_quick_ack(bool on) = 0;  // re-arm TCP_QUICKACK after each receive (ardb: facts of Nagle)
  virtual void close() = 0;                 // idempotent
};
using ConnectDone = std::function<void(Result<std::unique_ptr<Socket>>)>;

struct Accepted {
  std::unique_ptr<Socket> socket;
  std::string peer;  // its address, for people
};

// Listens for connections until it is destroyed, which also removes a Unix socket's file. On the loop's thread, or
// after the loop's end; address() from any.
class Listener {
 public:
  struct Handlers {
    std::function<void(Accepted)> on_accepted;
    // Connections cannot be accepted (too many open files, ...): said once, tried again by itself.
    std::function<void(Error)> on_trouble;
  };
  virtual ~Listener() = default;
  virtual const std::string& address() const = 0;  // with the real port
  virtual void set_accepting(bool on) = 0;         // off: who connects waits in the kernel's queue
};
struct ListenOptions {
  std::string address;       // "host:port" (port 0: the kernel chooses), "[v6]:port", "unix:/path"
  unsigned unix_mode = 0600; // of a Unix socket's file
};

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
  // From any thread: binds and listens at once, so that the error is the caller's; accepts on the loop. The socket
  // file of a process that has died is replaced, that of a living one refused. A loop without a kernel: kNotSupported.
  virtual Result<std::unique_ptr<Listener>> listen(const ListenOptions& options, Listener::Handlers handlers);
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
