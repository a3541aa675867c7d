#include "ctl/replacement_follow.h"

#include <fmt/format.h>

#include <algorithm>

#include "ctl/cluster_view.h"
#include "ctl/control_socket.h"
#include "ctl/progress_line.h"
#include "ctl/status_table.h"
#include "tlog/store/stores.h"

namespace tlog::ctl {
namespace {

constexpr std::uint64_t kNothingFilledMs = 300'000;

bool wants_a_person(std::string_view state) {
  return state == "mismatch" || state == "refused" || state == "read-only" || state == "fenced";
}

void take(const control::StoreReport& store, Filling& filling) {
  filling.state = state_of(store);
  filling.condition = store.condition;
  filling.put_bytes = store.put_bytes;
  filling.is_whole = is_whole(store);
  filling.is_hopeless = wants_a_person(filling.state);
  if (filling.keeps_blocks) {
    filling.total = store.wanted;
    filling.done = std::min(store.has, store.wanted);
  } else {
    // More is appended meanwhile, and what is left is not known before it has begun.
    filling.total = std::max(filling.total, store.left);
    filling.done =
        filling.state == "rebuilding" || store.left != 0 ? filling.total - store.left : 0;
  }
  if (filling.is_whole) filling.done = filling.total;
}

// The furthest that has been seen of each: what only goes to and fro is no progress.
bool is_further(std::vector<Filling>& furthest, const std::vector<Filling>& now) {
  if (furthest.size() != now.size()) {
    furthest = now;
    return true;
  }
  bool further = false;
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (now[i].done <= furthest[i].done && (!now[i].is_whole || furthest[i].is_whole)) continue;
    furthest[i] = now[i];
    further = true;
  }
  return further;
}

std::string what_lacks(const Replacement& replacement, const std::vector<Filling>& fillings) {
  std::string text;
  for (const Filling& filling : fillings) {
    if (filling.is_whole) continue;
    text += fmt::format("{}vdisk {} ({}): {}", text.empty() ? "" : "; ", filling.vdisk,
                        filling.keeps_blocks ? "blocks" : "log",
                        filling.state.empty() ? "is not served" : filling.state);
    if (!filling.condition.empty() && filling.condition != filling.state) {
      text += ": " + filling.condition;
    }
  }
  return fmt::format("{}: {}", replacement.to.address, text);
}

}  // namespace

std::vector<Filling> fillings_of(const Replacement& replacement, const std::vector<Share>& shares,
                                 const std::vector<control::VdiskReport>& reports) {
  store::RespStoreOptions wanted;
  wanted.address = replacement.to.address;
  wanted.db = replacement.to.db;
  const std::string name = store::name_of(wanted);
  std::vector<Filling> all;
  for (const Share& share : shares) {
    Filling& filling = all.emplace_back();
    filling.vdisk = share.vdisk;
    filling.keeps_blocks = share.keeps_blocks;
    filling.total = share.shards;
    for (const control::VdiskReport& report : reports) {
      const auto& stores = share.keeps_blocks ? report.block_servers : report.stores;
      if (report.name != share.vdisk || replacement.place >= stores.size()) continue;
      const control::StoreReport& store = stores[replacement.place];
      if (store.name == name) {
        take(store, filling);
      } else {
        filling.state = "not taken over";
        filling.condition = fmt::format("its server still uses {}", store.name);
      }
    }
  }
  return all;
}

bool all_whole(const std::vector<Filling>& fillings) {
  return std::all_of(fillings.begin(), fillings.end(),
                     [](const Filling& filling) { return filling.is_whole; });
}

std::string progress_line(const std::vector<Filling>& fillings) {
  constexpr std::size_t kWidth = 20;
  double sum = 0;
  std::string each;
  for (const Filling& filling : fillings) {
    const double part = filling.is_whole     ? 1
                        : filling.total == 0 ? 0
                                             : static_cast<double>(filling.done) /
                                                   static_cast<double>(filling.total);
    sum += part;
    if (filling.is_whole) continue;
    each +=
        fmt::format("  {}: {} of {} {}, {} written", filling.vdisk, filling.done, filling.total,
                    filling.keeps_blocks ? "sequences" : "shards", human_bytes(filling.put_bytes));
  }
  const double share = fillings.empty() ? 1 : sum / static_cast<double>(fillings.size());
  const auto full = static_cast<std::size_t>(share * kWidth);
  return fmt::format("[{}{}] {:.0f} %{}", std::string(full, '#'), std::string(kWidth - full, '.'),
                     share * 100, each);
}

Result<std::vector<Filling>> follow_filling(const Replacement& replacement,
                                            const std::vector<Share>& shares,
                                            const Reports& reports) {
  std::vector<Filling> furthest;
  std::uint64_t since = control::monotonic_ms();
  for (;;) {
    std::vector<Filling> now = fillings_of(replacement, shares, reports());
    if (all_whole(now)) {
      end_progress_line();
      return now;
    }
    const bool is_hopeless = std::any_of(
        now.begin(), now.end(), [](const Filling& filling) { return filling.is_hopeless; });
    if (is_hopeless) {
      end_progress_line();
      return fail(Code::kUnavailable,
                  fmt::format("cluster replace: {}", what_lacks(replacement, now)));
    }
    if (is_further(furthest, now)) since = control::monotonic_ms();
    if (control::monotonic_ms() - since >= kNothingFilledMs) {
      end_progress_line();
      return fail(
          Code::kTimeout,
          fmt::format("cluster replace: no progress for {} s: {}; the servers go on trying, "
                      "`tlogctl cluster status {}` shows how it goes",
                      kNothingFilledMs / 1'000, what_lacks(replacement, now), replacement.cluster));
    }
    show_progress_line(progress_line(now));
    pause_before_look();
  }
}

}  // namespace tlog::ctl
