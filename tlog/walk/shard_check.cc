#include "tlog/walk/shard_check.h"

#include <fmt/format.h>

namespace tlog::walk {

Result<shard::ShardView> check_shard(const LogPlace& log, const ShardPlace& place,
                                     ConstByteSpan stored) {
  auto wrong = [](std::string why) { return fail(Code::kCorruption, std::move(why)); };
  TLOG_ASSIGN(shard::ShardView view, shard::parse(stored));
  const shard::Identity& identity = view.identity;
  if (identity.vdisk != log.uuid) {
    return wrong(fmt::format("belongs to vdisk {}", identity.vdisk.text()));
  }
  if (identity.epoch != place.epoch || identity.number != place.number) {
    return wrong(fmt::format("is of aggregation {}, epoch {}", identity.number, identity.epoch));
  }
  if (view.geometry != log.geometry) {
    return wrong(fmt::format("is one of {}+{}", view.geometry.data, view.geometry.parity));
  }
  if (view.index != place.index) return wrong(fmt::format("is shard {}", view.index));
  return view;
}

}  // namespace tlog::walk
