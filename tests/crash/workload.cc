#include "tests/crash/workload.h"

#include <algorithm>

namespace tlog::crash {

namespace {
constexpr std::uint64_t kHotSpotCells = 64 * kKiB / kCellBytes;
}

Workload::Workload(const WorkloadOptions& options, std::uint64_t seed)
    : options_(options), random_(seed) {
  hot_percent_ = below(4) * 30;
  for (std::uint64_t& hot : hot_cells_) {
    const std::uint64_t room = options_.cells > kHotSpotCells ? options_.cells - kHotSpotCells : 1;
    hot = round_down(below(room), kCellsPerBlock);
  }
}

// Sizes: half exactly one aligned block, a quarter parts of a block, the rest anything up to the
// largest.
void Workload::place(Request& request) {
  const std::uint64_t shape = below(100);
  const std::uint64_t cells_max = std::min(options_.request_bytes_max / kCellBytes, options_.cells);
  if (shape < 50) {
    request.cells = kCellsPerBlock;
  } else if (shape < 75) {
    request.cells = 1 + below(kCellsPerBlock - 1);
  } else {
    request.cells = 1 + below(cells_max);
  }
  const std::uint64_t room = options_.cells - request.cells + 1;
  if (chance(hot_percent_)) {
    request.first_cell = std::min(hot_cells_[below(4)] + below(kHotSpotCells), room - 1);
  } else {
    request.first_cell = below(room);
  }
  if (shape < 50) {
    request.first_cell = round_down(request.first_cell, kCellsPerBlock);
  } else if (shape < 75 && chance(50)) {
    // Within one block, so that several writers meet in it.
    const std::uint64_t block = round_down(request.first_cell, kCellsPerBlock);
    request.first_cell = block + below(kCellsPerBlock - request.cells + 1);
  }
}

Request Workload::next() {
  Request request;
  const std::uint64_t what = below(100);
  if (what < 8 && options_.flushes) {
    request.kind = Kind::kFlush;
    return request;
  }
  if (what < 22 && options_.reads) {
    request.kind = Kind::kRead;
  } else if (what < 30) {
    request.kind = Kind::kZero;
  } else if (what < 38) {
    request.kind = Kind::kTrim;
  } else {
    request.kind = Kind::kWrite;
  }
  request.fua = request.kind != Kind::kRead && options_.flushes && chance(8);
  place(request);
  return request;
}

}  // namespace tlog::crash
