// CopyFollower: brings a copy of a vdisk's log (gateways/logset/copy_repository.h) up to what its
// name and pages tell. Without the key: the copy verifies each frame and the chain before it takes
// it.
//
// Threading: one thread; `stop` from anywhere. Durability: what is in the copy is synced; a
// follower that was killed goes on behind it. Errors: those of LogIndex and of the copy (kFenced:
// its history is another one).
#pragma once

#include <functional>
#include <map>

#include "gateways/cas/log_index.h"
#include "gateways/logset/repository.h"

namespace tlog::cas {

struct CopyProgress {
  std::uint64_t bytes_done = 0;  // in this round
  std::uint64_t bytes_all = 0;
};

class CopyFollower {
 public:
  struct Parts {  // borrowed
    LogIndex* index = nullptr;
    logset::Repository* copy = nullptr;
    std::function<bool()> stopping;
    std::function<void(const CopyProgress&)> progress;
  };
  explicit CopyFollower(Parts parts) : parts_(std::move(parts)) {}

  // Refreshes the index and takes what the copy lacks: bytes taken. Fewer when it was stopped.
  Result<std::uint64_t> follow();

 private:
  Result<std::size_t> first_missing();
  Result<std::size_t> check_not_gone_back(const std::map<Epoch, std::uint64_t>& lengths) const;
  Status take(const Piece& first, const std::string& frames);

  const Parts parts_;
  std::size_t had_ = 0;  // so many of the index's pieces are in the copy, for certain
};

}  // namespace tlog::cas
