// A repository that publishes the log of a vdisk: one log of frames for each of its epochs
// (frame.h), read from the log's stores beside whoever writes it, without the key. Read only: a
// push is refused (403).
//
// Only what is committed is shown: what the metadata says is, and behind it each aggregation of
// which as many shards as the write quorum wants were seen. So lengths never shrink. Where the
// frames begin is kept in memory, 64 bytes for each, and is found out by reading one shard of every
// aggregation once: at the first request, and then of what is new.
//
// Threading: any thread but the stores' loop's; lengths() waits for a look at the stores that is
// under way, and so do reads; they do not wait for each other. Errors: those of the stores;
// kNotFound for a vdisk of which they have nothing; kFenced when they came back older than they
// were; kShutdown, above.
#pragma once

#include <functional>

#include "gateways/logset/repository.h"
#include "tlog/store/store.h"

namespace tlog::logset {

struct VdiskPublished {
  std::string vdisk;
  // Of the log, for reading only; asked when they are needed first, and again after a failure.
  std::function<Result<std::vector<std::unique_ptr<store::Store>>>()> open_stores;
  // Optional: asked for each aggregation that is looked for; true ends a look with kShutdown. The
  // next one goes on from there.
  std::function<bool()> stopping = {};
};

class PublishedVdisk : public Repository {
 public:
  // Somebody has been told before that this one, and so all before it, is committed: it is shown
  // also while fewer stores are there than would prove it. Only if they have it, with this hash:
  // the next look forgets one that they do not have.
  virtual void is_committed(AggregationNumber number, const Hash256& hash) = 0;
};

std::unique_ptr<PublishedVdisk> make_vdisk_repository(VdiskPublished published);

}  // namespace tlog::logset
