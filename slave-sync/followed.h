// File: slave-sync/followed.h
// Followed: what a Follower needs of the vdisk whose log it follows, so that it depends on no whole
// session. A served vdisk is one (followed_core.h); so is whatever else writes a log.
//
// Threading: the follower's thread, any other one meanwhile for what the vdisk itself changes. It
// outlives its followers.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tlog/blocks/block_storage.h"
#include "tlog/format/record.h"
#include "tlog/io/workers.h"
#include "tlog/seal/sealer.h"
#include "tlog/session/recent_log.h"
#include "tlog/session/standby.h"
#include "tlog/walk/log_reader.h"

namespace tlog::standby {

// What has just been stored, from where it still lies.
struct Fresh {
  Buffer bytes;
  std::vector<format::Record> records;  // dense; their data lies in `bytes`
  session::SyncPosition end;            // of the last of them, which ends an aggregation
};

class Followed {
 public:
  virtual ~Followed() = default;

  virtual const std::string& name() const = 0;
  virtual Epoch epoch() const = 0;       // of its writer
  virtual Sequence stored() const = 0;   // all up to here is committed to the log
  virtual Sequence durable() const = 0;  // nothing behind it was ever applied anywhere
  virtual const session::RecentLog& recent_log() const = 0;
  virtual io::Workers& workers() const = 0;
  virtual Logger& logger() const = 0;
  virtual const std::vector<store::Store*>& log_stores() const = 0;
  virtual const seal::Sealer& sealer() const = 0;

  // The records after `after` up to the end of a stored aggregation, about so many bytes. Nothing:
  // not all of them are at hand any more, the log has them. Errors: their bytes are wrong.
  virtual Result<std::optional<Fresh>> take_fresh(Sequence after, std::uint64_t bytes_wanted) = 0;
  // The log's reader has met these bad shards.
  virtual void mend(AggregationNumber number, const std::vector<walk::BadShard>& shards) = 0;
  // Opens the vdisk's blocks on these servers as a follower of this epoch's writer; see
  // blocks::ClusterStorageOptions.
  virtual Result<std::shared_ptr<blocks::BlockStorage>> open_follower(
      const std::vector<store::RespStoreOptions>& servers, Sequence possible, bool discard) = 0;
};

}  // namespace tlog::standby
