// File: tlog/flush/metadata_keeper.h
// MetadataKeeper: brings the newest generation of the metadata to every store. At most one write
// per store is under way; when it ends, the newest generation follows if it is not the one just
// written, so that a store never ends with an older one. A store that fails is tried again with
// back-off until it has the newest.
//
// Threading: the loop's thread only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tlog/flush/backoff.h"
#include "tlog/format/metadata.h"
#include "tlog/io/loop.h"
#include "tlog/store/store.h"

namespace tlog::flush {

class MetadataKeeper : public std::enable_shared_from_this<MetadataKeeper> {
 public:
  struct Parts {
    std::string vdisk;
    Epoch epoch = 0;  // that writes it
    std::optional<Epoch> forget =
        {};  // whose metadata is not needed any more once this one's is there
    std::vector<store::Store*> stores;
    std::size_t quorum = 0;
    io::Loop* loop = nullptr;
    Random* random = nullptr;
  };
  explicit MetadataKeeper(Parts parts)
      : parts_(std::move(parts)), channels_(parts_.stores.size()) {}

  // `on_quorum` when a quorum of stores has this generation or a newer one.
  void publish(const format::Metadata& metadata, std::function<void()> on_quorum);
  void forget(std::size_t store);  // what it has may be gone: it gets the newest again
  void stop();
  // "1 of 6 stores reachable, 5 needed: ..." of the newest generation.
  std::string describe() const;

 private:
  struct Channel {
    bool in_flight = false;
    std::uint64_t stored = 0;  // generation
    bool tidied = false;
    std::string reason;
    Backoff backoff;
    io::TimerId timer = 0;
  };
  void send(std::size_t store);
  void answered(std::size_t store, std::uint64_t generation, const Status& status);
  void check_quorum();
  void tidy(std::size_t store);

  const Parts parts_;
  std::vector<Channel> channels_;
  std::uint64_t generation_ = 0;
  std::shared_ptr<const Buffer> encoded_;
  std::vector<std::pair<std::uint64_t, std::function<void()>>> waiting_;  // for a generation
  bool stopped_ = false;
};

}  // namespace tlog::flush
