// File: tlog/format/stripes.h
// A log that is spread over several others, its stripes: each a whole, dense log with one writer,
// in stores of its own (docs/protocol.md, "Stripes"). Which stripe has a record, and under which
// sequence, is arithmetic; so is the order in which they belong together.
//
// Threading: values. Errors: none; what a sequence cannot be is the greatest one there is.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tlog/base/stripe_limits.h"
#include "tlog/base/types.h"

namespace tlog::format {

// What is recorded of a stripe, in the last six bytes of its log's uuid: whoever opens it as
// another one than it is has another uuid.
struct StripeId {
  unsigned index = 0;  // from 0
  unsigned count = 0;  // of all, 2 .. kStripesMax
  std::uint64_t unit = kStripeUnitRecords;
  friend bool operator==(const StripeId&, const StripeId&) = default;
};
std::string describe(const StripeId& stripe);  // "stripe 1 of 2", from 0

// The first ten bytes are the vdisk's.
Uuid stripe_uuid(const Uuid& vdisk, const StripeId& stripe);
// Nothing: no stripe's.
std::optional<StripeId> stripe_of(const Uuid& log);
// What all stripes of one log have in common.
Uuid without_stripe(const Uuid& log);
// How its log is called: "vm1.stripe0", at most kStripeSuffixMax longer than the vdisk's.
std::string stripe_name(std::string_view vdisk, unsigned index);

// Sequences are dealt out in units, in turn.
class StripeMap {
 public:
  explicit StripeMap(unsigned count, std::uint64_t unit = kStripeUnitRecords)
      : count_(count), unit_(unit) {}

  unsigned count() const { return count_; }
  unsigned stripe_of(Sequence sequence) const {
    return static_cast<unsigned>((sequence - 1) / unit_ % count_);
  }
  Sequence local_of(Sequence sequence) const {
    return (sequence - 1) / unit_ / count_ * unit_ + (sequence - 1) % unit_ + 1;
  }
  Sequence global_of(unsigned stripe, Sequence local) const;
  // The last of the unit that a sequence is in.
  Sequence end_of_unit(Sequence sequence) const { return ((sequence - 1) / unit_ + 1) * unit_; }
  // How many records of a stripe are among the first `sequence`: the local sequence of the last
  // one.
  Sequence locals_until(unsigned stripe, Sequence sequence) const;
  // Up to where all records are there when each stripe has as many, one number for each.
  Sequence prefix_of(std::span<const Sequence> locals) const;

 private:
  unsigned count_;
  std::uint64_t unit_;
};

}  // namespace tlog::format
