// FollowedSource: a vdisk's log as a name system and a content-addressed store tell it, opened with
// the key, for reading. Asked again, it has what was published meanwhile.
//
// Threading: one thread. Errors: kWrongKey; those of LogIndex and of the log reader.
#pragma once

#include <memory>

#include "player/followed_store.h"
#include "player/source.h"

namespace tlog::player {

class FollowedSource {
 public:
  struct Parts {  // borrowed
    cas::LogIndex* index = nullptr;
    const SourceEnvironment& environment;
  };
  static Result<std::unique_ptr<FollowedSource>> open(const Parts& parts,
                                                      const std::string& key_file);
  ~FollowedSource();

  // Asks the name again. When it tells of more, the reader of before is gone.
  Status refresh();
  // Null while the log has no aggregation.
  walk::LogReader* reader() { return reader_.get(); }
  const std::string& vdisk() const { return vdisk_; }

 private:
  explicit FollowedSource(const Parts& parts) : parts_(parts) {}
  Status open_reader();
  void end_reader();
  FollowedStoreParts store_parts();
  Result<format::Metadata> metadata_without_tip();
  Result<format::AggregationReference> find_tip(const format::Metadata& metadata);

  const Parts parts_;
  std::unique_ptr<seal::MasterKey> key_;
  std::unique_ptr<seal::Sealer> sealer_;
  std::unique_ptr<io::Loop> loop_;
  io::Workers workers_;   // of the reader
  io::Workers fetchers_;  // wait for contents
  std::string vdisk_;
  InFlight in_flight_;
  SlowFrames slow_;
  FollowedPlaces places_;
  std::string told_;  // by the name, when the reader was opened
  std::optional<format::VdiskFormat> format_;
  std::shared_ptr<store::Store> store_;
  std::unique_ptr<walk::LogReader> reader_;
};

}  // namespace tlog::player
