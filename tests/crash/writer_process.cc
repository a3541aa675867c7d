#include "tests/crash/writer_process.h"

#include <libnbd.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <vector>

#include <fmt/core.h>

#include "tlog/base/buffer.h"

namespace tlog::crash {
namespace {

// A server that answers nothing for this long hangs.
constexpr int kSilenceMaxMs = 20'000;

std::atomic<bool> stop_asked{false};
static_assert(std::atomic<bool>::is_always_lock_free);

tl::unexpected<Error> nbd_failure(const char* what) {
  return fail(Code::kIoError, fmt::format("writer: {}: {}", what, nbd_get_error()));
}

class Process;

struct Slot {
  Process* process = nullptr;
  nbd_handle* nbd = nullptr;
  std::uint8_t connection = 0;
  std::uint64_t index = 0;  // of the request in the history
  Buffer data;
};

class Process {
 public:
  Process(const WriterOptions& options, History& history, int ready_fd)
      : options_(options),
        history_(history),
        ready_fd_(ready_fd),
        workload_(options.workload, options.seed) {}
  ~Process() {
    for (nbd_handle* nbd : connections_) nbd_close(nbd);
  }

  Status connect() {
    for (unsigned i = 0; i < options_.connections; ++i) {
      nbd_handle* const nbd = nbd_create();
      if (nbd == nullptr) return nbd_failure("nbd_create");
      connections_.push_back(nbd);
      if (nbd_connect_uri(nbd, options_.uri.c_str()) == -1) return nbd_failure("connect");
      for (unsigned d = 0; d < options_.depth; ++d) {
        auto slot = std::make_unique<Slot>();
        slot->process = this;
        slot->nbd = nbd;
        slot->connection = static_cast<std::uint8_t>(i);
        slot->data = Buffer(options_.workload.request_bytes_max);
        idle_.push_back(slot.get());
        slots_.push_back(std::move(slot));
      }
    }
    history_.set_multi_conn(nbd_can_multi_conn(connections_.front()) == 1);
    return {};
  }

  Status run() {
    while (true) {
      while (!idle_.empty() && may_issue()) {
        Slot* const slot = idle_.back();
        idle_.pop_back();
        if (!issue(*slot)) lost_ = true;  // the connection died under us
      }
      if (in_flight_ == 0) return {};
      TLOG_TRY(wait_for_answers());
    }
  }

 private:
  bool may_issue() const {
    return !lost_ && !stop_asked.load(std::memory_order_relaxed) &&
           history_.requests().size() < options_.requests_max &&
           history_.has_room(options_.workload.request_bytes_max / kCellBytes);
  }

  bool issue(Slot& slot) {
    Request request = workload_.next();
    request.connection = slot.connection;
    slot.index = history_.add(request);
    slot.data.reset_size(request.cells * kCellBytes);
    const std::uint64_t offset = request.first_cell * kCellBytes;
    const std::uint32_t fua = request.fua ? LIBNBD_CMD_FLAG_FUA : 0;
    const nbd_completion_callback done = {
        .callback = on_completion, .user_data = &slot, .free = nullptr};
    std::int64_t cookie = -1;
    switch (request.kind) {
      case Kind::kWrite:
        stamp(slot.data.span(), request.first_cell, history_.id_of(slot.index));
        cookie = nbd_aio_pwrite(slot.nbd, slot.data.data(), slot.data.size(), offset, done, fua);
        break;
      case Kind::kZero:
        cookie = nbd_aio_zero(slot.nbd, slot.data.size(), offset, done, fua);
        break;
      case Kind::kTrim:
        cookie = nbd_aio_trim(slot.nbd, slot.data.size(), offset, done, fua);
        break;
      case Kind::kFlush:
        cookie = nbd_aio_flush(slot.nbd, done, 0);
        break;
      case Kind::kRead:
        cookie = nbd_aio_pread(slot.nbd, slot.data.data(), slot.data.size(), offset, done, 0);
        break;
    }
    if (cookie == -1) return false;
    ++in_flight_;
    return true;
  }

  // From within libnbd: no call on the handle is allowed here, so the slot is only put back.
  static int on_completion(void* user_data, int* error) {
    auto& slot = *static_cast<Slot*>(user_data);
    slot.process->answered(slot, *error);
    return 1;
  }

  void answered(Slot& slot, int error) {
    --in_flight_;
    idle_.push_back(&slot);
    if (error == ENOTCONN) {  // libnbd's own: the connection is gone, there was no reply
      lost_ = true;
      return;
    }
    if (error != 0) return history_.answer_error(slot.index, error);
    if (history_.requests()[slot.index].kind == Kind::kRead) {
      history_.answer_read(slot.index, slot.data.span());
    } else {
      history_.answer(slot.index);
    }
    if (ready_fd_ >= 0) {
      const char byte = '!';
      (void)!write(ready_fd_, &byte, 1);  // the parent may be gone; then we end too
      ready_fd_ = -1;
    }
  }

  Status wait_for_answers() {
    std::vector<pollfd> fds;
    std::vector<nbd_handle*> handles;
    for (nbd_handle* nbd : connections_) {
      if (nbd_aio_is_dead(nbd) == 1 || nbd_aio_is_closed(nbd) == 1) continue;
      const unsigned direction = nbd_aio_get_direction(nbd);
      short events = 0;
      if ((direction & LIBNBD_AIO_DIRECTION_READ) != 0) events |= POLLIN;
      if ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0) events |= POLLOUT;
      fds.push_back({.fd = nbd_aio_get_fd(nbd), .events = events, .revents = 0});
      handles.push_back(nbd);
    }
    if (fds.empty()) {
      in_flight_ = 0;
      lost_ = true;
      return {};
    }
    const int ready = poll(fds.data(), fds.size(), kSilenceMaxMs);
    if (ready == 0)
      return fail(Code::kTimeout, fmt::format("writer: {} requests get no answer", in_flight_));
    for (std::size_t i = 0; i < fds.size(); ++i) {
      // An error of these calls is a connection's death, which the next round of the loop sees.
      if ((fds[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && (fds[i].events & POLLIN) != 0) {
        (void)nbd_aio_notify_read(handles[i]);
      } else if ((fds[i].revents & (POLLOUT | POLLHUP | POLLERR)) != 0) {
        (void)nbd_aio_notify_write(handles[i]);
      }
    }
    return {};
  }

  const WriterOptions& options_;
  History& history_;
  int ready_fd_;
  Workload workload_;
  std::vector<nbd_handle*> connections_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Slot*> idle_;
  std::size_t in_flight_ = 0;
  bool lost_ = false;
};

}  // namespace

Status run_writer(const WriterOptions& options, History& history, int ready_fd) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTERM, [](int) { stop_asked.store(true, std::memory_order_relaxed); });
  Process process(options, history, ready_fd);
  TLOG_TRY(process.connect());
  return process.run();
}

}  // namespace tlog::crash
