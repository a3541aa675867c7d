// The loop over one io_uring, made and used by the loop's thread alone.
#include <liburing.h>
#include <unistd.h>

#include <cerrno>
#include <deque>

#include "tlog/base/assert.h"
#include "tlog/io/uring_operations.h"

namespace tlog::io {
namespace {

template <class T>
class Pool {
 public:
  T* take(OperationHost& loop) {
    if (free_.empty()) {
      all_.push_back(std::make_unique<T>(loop));
      return all_.back().get();
    }
    T* object = free_.back();
    free_.pop_back();
    return object;
  }
  void give_back(T* object) { free_.push_back(object); }

 private:
  std::vector<std::unique_ptr<T>> all_;
  std::vector<T*> free_;
};

unsigned setup_flags(int attempt) {
  // From the best (Linux 6.1) to what every kernel takes.
  switch (attempt) {
    case 0:
      return IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_DEFER_TASKRUN;
    case 1:
      return IORING_SETUP_COOP_TASKRUN;
    default:
      return 0;
  }
}

int open_ring(unsigned entries, io_uring& ring) {
  int result = -EINVAL;
  for (int attempt = 0; attempt < 3 && result == -EINVAL; ++attempt) {
    result = io_uring_queue_init(entries, &ring, setup_flags(attempt));
  }
  return -result;
}

class UringLoop final : public LoopBase, private OperationHost {
 public:
  using LoopBase::LoopBase;
  ~UringLoop() override { stop(); }

  IoMode mode() const override { return IoMode::kUring; }
  Number receive(int descriptor, ByteSpan into, Finished finished) override {
    return begin_descriptor(descriptor, into, DescriptorOperation::Kind::kReceive,
                            std::move(finished));
  }
  Number wait_writable(int descriptor, Finished finished) override {
    return begin_descriptor(descriptor, {}, DescriptorOperation::Kind::kWritable,
                            std::move(finished));
  }
  Number wait_readable(int descriptor, Finished finished) override {
    return begin_descriptor(descriptor, {}, DescriptorOperation::Kind::kReadable,
                            std::move(finished));
  }
  void cancel(Number operation) override;

 protected:
  Status open_backend() override;
  void close_backend() override;
  void wait(std::uint64_t timeout_ns) override;
  void submit_read(File& file, std::uint64_t offset, ByteSpan into, ReadDone done) override;
  void submit_write(File& file, std::uint64_t offset, std::span<const ConstByteSpan> pieces,
                    Sync sync, IoDone done) override;
  void submit_sync(File& file, IoDone done) override;

 private:
  void submit(Operation& operation) override;
  void give_back(FileOperation* operation) override {
    end_operation();
    file_operations_.give_back(operation);
  }
  void give_back(DescriptorOperation* operation) override {
    end_operation();
    descriptor_operations_.give_back(operation);
  }
  void give_back(CancelOperation* operation) override {
    end_operation();
    cancel_operations_.give_back(operation);
  }
  Number begin_descriptor(int descriptor, ByteSpan into, DescriptorOperation::Kind kind,
                          Finished finished);
  // Completions that the queue must have room for.
  unsigned awaited_entries(const Operation& operation) const {
    return keeps_overflow_ && operation.waits_for_others() ? 0 : operation.entries();
  }
  bool has_room(const Operation& operation);
  void prepare(Operation& operation);
  void submit_queued();
  void reap();

  io_uring ring_{};
  unsigned completions_max_ = 0;
  bool keeps_overflow_ = false;    // the kernel does, when the completion queue is full
  unsigned in_flight_ = 0;         // entries whose completion is awaited
  std::deque<Operation*> queued_;  // operations that found the ring full, in order
  Pool<FileOperation> file_operations_;
  Pool<DescriptorOperation> descriptor_operations_;
  Pool<CancelOperation> cancel_operations_;
  WakeOperation wake_{*this};
};

Status UringLoop::open_backend() {
  int reason = open_ring(options().queue_entries, ring_);
  if (reason != 0) return fail(os_error(reason, "start: io_uring"));
  completions_max_ = *ring_.cq.kring_entries;
  keeps_overflow_ = (ring_.features & IORING_FEAT_NODROP) != 0;
  wake_.set(wake_descriptor());
  submit(wake_);
  return {};
}

void UringLoop::close_backend() {
  // The ring is torn down in the background: nothing of ours may be its target any more.
  wake_.disarm_after_next();
  std::uint64_t one = 1;
  [[maybe_unused]] ssize_t written = ::write(wake_descriptor(), &one, sizeof one);
  while (wake_.armed()) wait(kForever);
  io_uring_queue_exit(&ring_);
}

// What is in flight is bounded by the completion queue, so that it does not overflow. But not the
// receives of idle connections: any number of them may be there, and would keep files' operations
// from being submitted. They seldom complete all at once, and the kernel keeps what overflows.
bool UringLoop::has_room(const Operation& operation) {
  const unsigned entries = operation.entries();
  if (in_flight_ + awaited_entries(operation) > completions_max_) return false;
  if (io_uring_sq_space_left(&ring_) < entries) io_uring_submit(&ring_);
  return io_uring_sq_space_left(&ring_) >= entries;
}

void UringLoop::prepare(Operation& operation) {
  in_flight_ += awaited_entries(operation);
  operation.prepare(ring_);
}

void UringLoop::submit(Operation& operation) {
  if (!queued_.empty() || !has_room(operation)) {
    queued_.push_back(&operation);
    return;
  }
  prepare(operation);
}

void UringLoop::submit_queued() {
  while (!queued_.empty() && has_room(*queued_.front())) {
    Operation* operation = queued_.front();
    queued_.pop_front();
    prepare(*operation);
  }
}

void UringLoop::wait(std::uint64_t timeout_ns) {
  submit_queued();
  int result = 0;
  if (timeout_ns == 0) {
    result = io_uring_submit_and_get_events(&ring_);
  } else {
    io_uring_cqe* entry = nullptr;
    constexpr std::uint64_t kSecond = 1'000'000'000;
    __kernel_timespec limit{};
    limit.tv_sec = static_cast<long long>(timeout_ns / kSecond);
    limit.tv_nsec = static_cast<long long>(timeout_ns % kSecond);
    result = io_uring_submit_and_wait_timeout(&ring_, &entry, 1,
                                              timeout_ns == kForever ? nullptr : &limit, nullptr);
  }
  // EBUSY and EAGAIN: the kernel is short of something until completions are taken, which comes
  // next.
  TLOG_ASSERT(result >= 0 || result == -ETIME || result == -EINTR || result == -EBUSY ||
              result == -EAGAIN);
  reap();
}

void UringLoop::reap() {
  // Only those that are there now: tasks and timers get their turn between batches.
  for (unsigned left = io_uring_cq_ready(&ring_); left > 0; --left) {
    io_uring_cqe* entry = nullptr;
    if (io_uring_peek_cqe(&ring_, &entry) != 0) return;
    std::uint64_t data = io_uring_cqe_get_data64(entry);
    int result = entry->res;
    io_uring_cqe_seen(&ring_, entry);
    auto* operation = reinterpret_cast<Operation*>(data & ~std::uint64_t{1});
    if (awaited_entries(*operation) != 0) --in_flight_;
    operation->complete(result, (data & 1) != 0);
  }
}

void UringLoop::cancel(Number operation) {
  begin_operation();
  CancelOperation* cancellation = cancel_operations_.take(*this);
  cancellation->set(operation);
  submit(*cancellation);
}

void UringLoop::submit_read(File& file, std::uint64_t offset, ByteSpan into, ReadDone done) {
  begin_operation();
  FileOperation* operation = file_operations_.take(*this);
  operation->set_read(file, offset, into, std::move(done));
  submit(*operation);
}

void UringLoop::submit_write(File& file, std::uint64_t offset,
                             std::span<const ConstByteSpan> pieces, Sync sync, IoDone done) {
  begin_operation();
  FileOperation* operation = file_operations_.take(*this);
  operation->set_write(file, offset, pieces, sync == Sync::kYes, std::move(done));
  submit(*operation);
}

void UringLoop::submit_sync(File& file, IoDone done) {
  submit_write(file, 0, {}, Sync::kYes, std::move(done));
}

LoopBase::Number UringLoop::begin_descriptor(int descriptor, ByteSpan into,
                                             DescriptorOperation::Kind kind, Finished finished) {
  begin_operation();
  DescriptorOperation* operation = descriptor_operations_.take(*this);
  operation->set(descriptor, into, kind, std::move(finished));
  submit(*operation);
  return reinterpret_cast<std::uintptr_t>(static_cast<Operation*>(operation));
}

}  // namespace

std::unique_ptr<Loop> make_uring_loop(const LoopOptions& options, Logger& logger) {
  return std::make_unique<UringLoop>(options, logger);
}

int probe_uring() {
  io_uring ring{};
  int reason = open_ring(4, ring);
  if (reason == 0) io_uring_queue_exit(&ring);
  return reason;
}

}  // namespace tlog::io
