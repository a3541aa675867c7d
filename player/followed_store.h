// FollowedStore: the log that a LogIndex tells (gateways/cas/log_index.h) as the one store of a log
// that is cut 1+0, for the log reader. Changes nothing.
//
// Threading: any thread; contents are asked for by `workers`, answers come on the loop. The index
// is not refreshed while the store is used. Errors: those of LogIndex::content(); kNotFound for
// what the log does not have.
#pragma once

#include <memory>

#include "gateways/cas/log_index.h"
#include "tlog/format/metadata.h"
#include "tlog/io/workers.h"
#include "tlog/store/store.h"

namespace tlog::player {

// Where the aggregations are in the index: aggregation n is pieces [n - 1] to before [n].
struct FollowedPlaces {
  std::vector<std::uint32_t> firsts;  // and the end of the last one
  std::size_t newest_opening = 0;
  AggregationNumber count() const { return firsts.empty() ? 0 : firsts.size() - 1; }
};
// kCorruption when the numbers are not dense.
Result<FollowedPlaces> find_places(const cas::LogIndex& index);

// The payload of a frame; `what` for messages.
Result<Buffer> frame_payload(std::string_view frame, const std::string& what);

struct FollowedStoreParts {  // borrowed
  cas::LogIndex* index = nullptr;
  const FollowedPlaces* places = nullptr;
  io::Workers* workers = nullptr;
  io::Loop* loop = nullptr;
  std::string vdisk;
};
// `metadata` may be changed until the store is used.
std::unique_ptr<store::Store> make_followed_store(const FollowedStoreParts& parts,
                                                  std::shared_ptr<const Buffer> metadata);

}  // namespace tlog::player
