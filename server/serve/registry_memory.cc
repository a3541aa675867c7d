// How much memory the logs of a registry have together, and who has to wait for it.
//
// Each may have as much as is left for the others: so a few whose stores are slow are stopped early
// and leave room for those whose stores are quick, however many there are. Nobody is ever stopped
// for good: of whom everything is stored a batch is always taken.
#include <utility>
#include <vector>

#include "server/serve/registry.h"

namespace tlog::server {
namespace {

// While somebody is held back: how soon it is looked again. What stores have taken late is told by
// nobody.
constexpr std::uint64_t kLookNs = 10'000'000;

}  // namespace

void Registry::count(HostedLog& hosted, std::uint64_t bytes) {
  core_->memory_bytes -= std::exchange(hosted.counted_bytes, bytes);
  core_->memory_bytes += bytes;
}

bool Registry::has_room_for(HostedLog& hosted) {
  count(hosted, hosted.log->memory_bytes());
  const std::uint64_t most = core_->options.memory_bytes_max;
  const std::uint64_t left = most > core_->memory_bytes ? most - core_->memory_bytes : 0;
  return hosted.counted_bytes < left || hosted.log->stored() >= hosted.log->taken();
}

bool Registry::may_take(HostedLog& hosted) {
  const bool may = has_room_for(hosted);
  hosted.held_back = !may;
  if (may) return true;
  // It would wait for more records, or for its time, and gets none meanwhile.
  hosted.log->force(hosted.log->taken());
  look_again_soon();
  return false;
}

void Registry::look_again_soon() {
  if (look_ != 0) return;
  look_ = core_->parts.loop->add_timer(kLookNs, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->look_ = 0;
    self->look_again();
  });
}

// Also logs whose client is away have memory, and let it go without telling.
void Registry::look_again() {
  std::vector<std::shared_ptr<HostedLog>> waiting;  // who is told may change logs_
  for (const auto& [name, hosted] : logs_) {
    if (!hosted->log) continue;
    count(*hosted, hosted->log->memory_bytes());
    if (hosted->held_back) waiting.push_back(hosted);
  }
  bool any_waits = false;
  for (const auto& hosted : waiting) {
    if (!hosted->held_back || !hosted->log) continue;
    hosted->held_back = !has_room_for(*hosted);
    if (hosted->held_back)
      any_waits = true;
    else if (hosted->user != nullptr)
      hosted->user->on_room();
  }
  if (any_waits) look_again_soon();
}

}  // namespace tlog::server
