#include "tests/bench/nbd_load_client.h"

#include <libnbd.h>

#include <fmt/core.h>

#include "tlog/base/buffer.h"

namespace tlog::bench {
namespace {

// splitmix64: cheap enough to be nothing beside a request.
std::uint64_t next_random(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

tl::unexpected<Error> nbd_failure(const char* what) {
  return fail(Code::kIoError, fmt::format("{}: {}", what, nbd_get_error()));
}

}  // namespace

bool Progress::take(std::uint64_t& number) {
  number = issued_.fetch_add(1, std::memory_order_relaxed);
  if (!measuring()) return true;
  const std::uint64_t first = measured_first_.load(std::memory_order_relaxed);
  // Another connection may have ended the warm-up after this number was drawn.
  const std::uint64_t measured = number < first ? 0 : number - first;
  if (options_.bytes != 0 && measured * options_.block_bytes >= options_.bytes) return false;
  if (options_.seconds == 0) return true;
  return SteadyClock::now() - measured_from_ < std::chrono::duration<double>(options_.seconds);
}

bool Progress::measuring() {
  if (measuring_.load(std::memory_order_acquire)) return true;
  if (issued_.load(std::memory_order_relaxed) * options_.block_bytes < options_.warmup_bytes)
    return false;
  if (SteadyClock::now() - started_ < std::chrono::duration<double>(options_.warmup_seconds))
    return false;
  const std::lock_guard lock(mutex_);
  if (measuring_.load(std::memory_order_relaxed)) return true;
  before_ = sample();
  measured_from_ = SteadyClock::now();
  // Without a warm-up the request that asks is the first measured one.
  const bool warmed_up = options_.warmup_bytes != 0 || options_.warmup_seconds != 0;
  measured_first_.store(warmed_up ? issued_.load(std::memory_order_relaxed) : 0,
                        std::memory_order_relaxed);
  measuring_.store(true, std::memory_order_release);
  return true;
}

void Progress::finish() {
  ended_ = SteadyClock::now();
  after_ = sample();
}

ProcessStat Progress::sample() const {
  if (options_.server_pid == 0) return {};
  return process_stat(options_.server_pid).value_or(ProcessStat{});
}

struct LoadConnection::Handle {
  nbd_handle* nbd = nullptr;
};

struct LoadConnection::Slot {
  LoadConnection* connection = nullptr;
  Buffer data;
  SteadyClock::time_point issued_at;
  std::uint64_t number = 0;
  bool measured = false;
  bool flushing = false;
  int error = 0;

  // libnbd forbids calls on the handle from here, so the slot only queues itself.
  static int on_completion(void* user_data, int* error) {
    auto* slot = static_cast<Slot*>(user_data);
    slot->error = *error;
    slot->connection->ready_.push_back(slot);
    return 1;  // retired: libnbd forgets the command
  }
};

LoadConnection::LoadConnection(const LoadOptions& options, std::uint64_t index, Progress& progress)
    : options_(options),
      progress_(progress),
      handle_(std::make_unique<Handle>()),
      random_state_(options.seed * 1000 + index) {
  const std::uint64_t depth =
      options.depth / options.connections + (index < options.depth % options.connections ? 1 : 0);
  for (std::uint64_t i = 0; i < depth; ++i) {
    auto slot = std::make_unique<Slot>();
    slot->connection = this;
    slot->data = Buffer(options.block_bytes);
    for (std::size_t at = 0; at + 8 <= slot->data.size(); at += 8) {
      const std::uint64_t value = next_random(random_state_);
      std::memcpy(slot->data.data() + at, &value, sizeof value);
    }
    slots_.push_back(std::move(slot));
  }
  ready_.reserve(depth);
  latencies_us_.reserve(1 << 20);
}

LoadConnection::~LoadConnection() {
  if (handle_->nbd != nullptr) nbd_close(handle_->nbd);
}

Status LoadConnection::connect() {
  handle_->nbd = nbd_create();
  if (handle_->nbd == nullptr) return nbd_failure("nbd_create");
  if (nbd_connect_uri(handle_->nbd, options_.uri.c_str()) == -1) return nbd_failure("connect");
  if (nbd_set_strict_mode(handle_->nbd, 0) == -1) return nbd_failure("nbd_set_strict_mode");
  const std::int64_t size = nbd_get_size(handle_->nbd);
  if (size == -1) return nbd_failure("nbd_get_size");
  std::uint64_t range = static_cast<std::uint64_t>(size);
  if (options_.range_bytes != 0) range = std::min(range, options_.range_bytes);
  blocks_ = range / options_.block_bytes;
  if (blocks_ == 0)
    return fail(Code::kInvalidArgument, "connect: the export is smaller than one block");
  return {};
}

std::uint64_t LoadConnection::next_offset(std::uint64_t number) {
  const std::uint64_t block = options_.sequential ? number : next_random(random_state_);
  return block % blocks_ * options_.block_bytes;
}

Status LoadConnection::issue(Slot& slot, bool flush) {
  nbd_handle* const nbd = handle_->nbd;
  const nbd_completion_callback done = {
      .callback = Slot::on_completion, .user_data = &slot, .free = nullptr};
  slot.flushing = flush;
  std::int64_t cookie = 0;
  if (flush) {
    cookie = nbd_aio_flush(nbd, done, 0);
  } else if (options_.write) {
    // No two writes of a run carry the same block.
    for (std::size_t at = 0; at + 8 <= slot.data.size(); at += 4096) {
      std::memcpy(slot.data.data() + at, &slot.number, sizeof slot.number);
    }
    cookie = nbd_aio_pwrite(nbd, slot.data.data(), slot.data.size(), next_offset(slot.number), done,
                            options_.fua ? LIBNBD_CMD_FLAG_FUA : 0);
  } else {
    cookie =
        nbd_aio_pread(nbd, slot.data.data(), slot.data.size(), next_offset(slot.number), done, 0);
  }
  if (cookie == -1) return nbd_failure("issue");
  ++in_flight_;
  return {};
}

bool LoadConnection::start(Slot& slot) {
  if (!progress_.take(slot.number)) return false;
  slot.measured = progress_.measuring();
  slot.issued_at = SteadyClock::now();
  return true;
}

Status LoadConnection::completed(Slot& slot) {
  --in_flight_;
  if (slot.error != 0) {
    return fail(Code::kIoError, fmt::format("request {}: {}", slot.number, strerror(slot.error)));
  }
  if (options_.flush_each && !slot.flushing) return issue(slot, /*flush=*/true);
  if (slot.measured) {
    latencies_us_.push_back(
        std::chrono::duration<float, std::micro>(SteadyClock::now() - slot.issued_at).count());
  }
  if (!start(slot)) return {};
  return issue(slot, /*flush=*/false);
}

Status LoadConnection::run() {
  for (auto& slot : slots_) {
    if (start(*slot)) TLOG_TRY(issue(*slot, /*flush=*/false));
  }
  std::vector<Slot*> batch;
  while (in_flight_ > 0) {
    if (ready_.empty() && nbd_poll(handle_->nbd, 30'000) == -1) return nbd_failure("nbd_poll");
    batch.clear();
    batch.swap(ready_);
    for (Slot* slot : batch) TLOG_TRY(completed(*slot));
  }
  if (options_.final_flush && nbd_flush(handle_->nbd, 0) == -1) return nbd_failure("final flush");
  return {};
}

}  // namespace tlog::bench
