#include "tests/crash/history.h"

#include <sys/mman.h>

#include <atomic>

#include "tlog/base/assert.h"

namespace tlog::crash {

const char* kind_name(Kind kind) {
  switch (kind) {
    case Kind::kWrite:
      return "write";
    case Kind::kZero:
      return "zero";
    case Kind::kTrim:
      return "trim";
    case Kind::kFlush:
      return "flush";
    case Kind::kRead:
      return "read";
  }
  return "?";
}

// Plain memory of both processes. A writer that is killed between two stores leaves a request that
// was issued and not answered, which is the truth: the counters move last.
struct History::Shared {
  std::atomic<std::uint64_t> requests;
  std::uint64_t seen;
  Tick ticks;
  bool multi_conn;
  std::atomic<bool> closed;
  Request request[kRequestsMax];
  CellSeen cell[kSeenMax];
};

History::History(OperationId first_id) : first_id_(first_id) {
  void* const memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  TLOG_ASSERT(memory != MAP_FAILED);
  shared_ = static_cast<Shared*>(memory);
}

History::~History() {
  munmap(shared_, sizeof(Shared));
}

std::span<const Request> History::requests() const {
  return {shared_->request, shared_->requests.load(std::memory_order_acquire)};
}

const CellSeen* History::seen(const Request& read) const {
  return shared_->cell + read.seen_at;
}

const Request* History::find(OperationId id) const {
  if (id < first_id_ || id - first_id_ >= requests().size()) return nullptr;
  return &shared_->request[id - first_id_];
}

bool History::multi_conn() const {
  return shared_->multi_conn;
}
void History::set_multi_conn(bool multi_conn) {
  shared_->multi_conn = multi_conn;
}

bool History::has_room(std::uint64_t read_cells) const {
  return shared_->requests.load(std::memory_order_relaxed) < kRequestsMax &&
         shared_->seen + read_cells <= kSeenMax;
}

std::uint64_t History::add(Request request) {
  const std::uint64_t index = shared_->requests.load(std::memory_order_relaxed);
  TLOG_ASSERT(index < kRequestsMax);
  request.issued_at = ++shared_->ticks;
  request.answered_at = 0;
  if (request.kind == Kind::kRead) {
    request.seen_at = shared_->seen;
    shared_->seen += request.cells;
    TLOG_ASSERT(shared_->seen <= kSeenMax);
  }
  shared_->request[index] = request;
  shared_->requests.store(index + 1, std::memory_order_release);
  return index;
}

void History::close() {
  shared_->closed.store(true, std::memory_order_seq_cst);
}

void History::answer(std::uint64_t index) {
  if (shared_->closed.load(std::memory_order_seq_cst)) return;
  std::atomic_ref<Tick>(shared_->request[index].answered_at)
      .store(++shared_->ticks, std::memory_order_release);
}

void History::answer_read(std::uint64_t index, ConstByteSpan bytes) {
  const Request& request = shared_->request[index];
  TLOG_ASSERT(bytes.size() == request.cells * kCellBytes);
  for (std::uint64_t i = 0; i < request.cells; ++i) {
    shared_->cell[request.seen_at + i] =
        read_stamp(bytes.subspan(i * kCellBytes, kCellBytes), request.first_cell + i);
  }
  answer(index);
}

void History::answer_seen(std::uint64_t index, const std::vector<CellSeen>& cells) {
  const Request& request = shared_->request[index];
  TLOG_ASSERT(cells.size() == request.cells);
  std::copy(cells.begin(), cells.end(), shared_->cell + request.seen_at);
  answer(index);
}

void History::answer_error(std::uint64_t index, int error) {
  if (shared_->closed.load(std::memory_order_seq_cst)) return;
  shared_->request[index].error = error;
}

}  // namespace tlog::crash
