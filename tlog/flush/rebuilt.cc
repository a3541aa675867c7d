#include "tlog/flush/rebuilt.h"

#include <algorithm>

#include "tlog/walk/chain.h"
#include "tlog/walk/gather.h"

namespace tlog::flush {
namespace {

constexpr std::size_t kKeysAtOnce = 512;

bool belongs_to(const walk::LogPlace& place, AggregationNumber number, std::size_t store) {
  for (unsigned i = 0; i < place.geometry.total(); ++i) {
    if (walk::store_of(number, i, place.stores.size()) == store) return true;
  }
  return false;
}

}  // namespace

bool has_every_shard(const walk::LogPlace& place, const format::Metadata& metadata,
                     std::size_t store, AggregationNumber last) {
  AggregationNumber number = last;  // the newest first: most likely to be missing
  while (number > 0) {
    std::vector<std::string> keys;
    for (; number > 0 && keys.size() < kKeysAtOnce; --number) {
      if (!belongs_to(place, number, store)) continue;
      keys.push_back(format::shard_key(place.vdisk, walk::epoch_of(metadata, number), number));
    }
    walk::Gather<std::uint64_t> gather(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      place.stores[store]->stat(keys[i], gather.slot(i));
    }
    const auto answers = gather.wait();
    const bool all = std::all_of(answers.begin(), answers.end(),
                                 [](const auto& answer) { return answer && answer->has_value(); });
    if (!all) return false;
  }
  return true;
}

}  // namespace tlog::flush
