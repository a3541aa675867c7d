// Repository: a set of append-only logs, as logset sees one.
//
// Threading: any thread; no call waits for a network.
// Durability: what SliceTaker::finish() has confirmed is synced.
// Errors: kNotFound for a log that is not there, kFenced for a slice that does not begin where its
// log ends (or would make a fork), kInvalidArgument for one that may not be taken, kCorruption
// when what is kept here is damaged.
#pragma once

#include <memory>

#include "gateways/logset/grammar.h"

namespace tlog::logset {

// One slice on its way into its log: nothing of it is seen before finish(), and nothing ever when
// the object goes without it.
class SliceTaker {
 public:
  virtual ~SliceTaker() = default;
  virtual Status bytes(ConstByteSpan piece) = 0;
  virtual Status finish() = 0;
};

class Repository {
 public:
  virtual ~Repository() = default;
  // Of all logs, sorted by name. Lengths never shrink.
  virtual Result<std::vector<LogLength>> lengths() = 0;
  // Fills all of `into`, which lies inside of what lengths() has told.
  virtual Status read(const std::string& log, std::uint64_t offset, ByteSpan into) = 0;
  virtual Result<std::unique_ptr<SliceTaker>> take(const SliceHead& head) = 0;
};

// One that is there by name and answers everything with `why`, as a fault of the server's.
std::unique_ptr<Repository> make_broken_repository(const Error& why);

Error not_at_end(const SliceHead& head, std::uint64_t length);

}  // namespace tlog::logset
