// Publisher: brings a vdisk's log to a content-addressed store and moves its name. Behind a
// published vdisk's repository (gateways/logset/vdisk_repository.h), without the key.
//
// The name moves only after everything that it leads to is stored, so a reader never finds a
// hole, whenever the publisher is killed; the next one goes on from what the name says. Pages are
// cut by the log alone: two publishers of one log make the same pages.
//
// A name or pages that are damaged or lost are made again from the log when it begins.
//
// Threading: one thread. Memory: the newest page's contents that are embedded.
// Durability: what publish() has returned for is as durable as the store makes it.
// Errors: kFenced when the name tells of another history, or of more than the log has; those of
// the log and of the store; kShutdown when it was told to stop. After an error publish() may be
// called again.
#pragma once

#include <deque>
#include <functional>
#include <optional>

#include "gateways/cas/log_index.h"
#include "gateways/cas/published_view.h"

namespace tlog::cas {

// Which contents are in the pages themselves.
struct Embed {
  enum class Mode { kAll, kLast, kNone } mode = Mode::kLast;
  unsigned last = 5;  // aggregations; of kLast
};

struct Published {
  std::uint64_t contents = 0;  // told of by the name
  std::uint64_t bytes = 0;     // added in this round
  bool moved = false;          // the name
};

class Publisher {
 public:
  struct Parts {  // borrowed
    logset::Repository* log = nullptr;
    // Optional: the name tells of this one, so it is committed.
    std::function<void(AggregationNumber, const Hash256&)> is_committed = {};
    Contents* to = nullptr;
    PublishedView* view = nullptr;  // in front of `to`, when the log is read where it is
    // Optional: asked before each frame and each page; true ends publish() with kShutdown.
    std::function<bool()> stopping = {};
  };
  struct Options {
    std::string name;  // "vdisk/vm1"
    Embed embed;
    std::string cas;  // multiaddr, for the name's page; "": none
  };
  Publisher(const Parts& parts, Options options);

  // Everything that is in the log by now.
  Result<Published> publish();

 private:
  using Logs = std::vector<logset::LogLength>;
  Result<Logs> look_at_log();
  Status resume(Logs& logs);
  Status begin_anew(bool rebuilds);
  void offer_all(const LogIndex& index);
  Status check_is_in_log(const PagePair& newest, const Logs& logs);
  Status check_not_stopping() const;
  Status publish_epoch(Epoch epoch, std::uint64_t bytes);
  Result<Piece> read_frame(Epoch epoch, std::uint64_t offset, std::string& frame);
  Status add_frame(const Piece& frame, std::string_view bytes);
  void forget_old_data();
  Result<Address> add_content(const Piece& piece, std::string_view content);
  bool page_is_full(std::size_t more) const;
  Status close_page(std::size_t pairs);
  Status move_name();
  std::size_t embedded_bytes() const;

  const Parts parts_;
  const Options options_;
  Uuid vdisk_;
  bool resumed_ = false;
  bool rebuilds_ = false;           // the name tells of as much already
  std::deque<PagePair> open_;       // oldest first: not in a closed page yet
  Address closed_;                  // the newest closed page
  std::uint64_t closed_pairs_ = 0;  // since this publisher began
  std::optional<Piece> last_;
  std::optional<Hash256> chain_;  // of the newest aggregation
  std::string told_;              // what the name holds
  Published round_;
};

}  // namespace tlog::cas
