#include "slave-sync/active_watch.h"

#include <fmt/format.h>

namespace tlog::standby {
namespace {

constexpr std::uint64_t kAskEveryNs = 500'000'000;
constexpr std::uint64_t kAskFailingNs = 50'000'000;

}  // namespace

std::string failing_part(const blocks::BlockStorage& storage) {
  for (const blocks::PartStatus& part : storage.parts()) {
    if (part.server.usable && part.wanted <= part.has) continue;
    return fmt::format("{}: {}", part.server.name,
                       part.server.condition.empty() ? "does not answer" : part.server.condition);
  }
  return {};
}

void ActiveWatch::look(blocks::BlockStorage& storage, std::uint64_t now_ns) {
  if (storage_ != &storage) failing_since_ns_ = 0;
  storage_ = &storage;
  what_ = failing_part(storage);
  if (what_.empty()) {
    failing_since_ns_ = 0;
  } else if (failing_since_ns_ == 0) {
    failing_since_ns_ = now_ns;
  }
  if (now_ns - asked_ns_ < (what_.empty() ? kAskEveryNs : kAskFailingNs)) return;
  asked_ns_ = now_ns;
  storage.look_at_parts();
}

}  // namespace tlog::standby
