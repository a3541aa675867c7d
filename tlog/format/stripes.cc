#include "tlog/format/stripes.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/base/assert.h"

namespace tlog::format {
namespace {

// Of the last six bytes of a stripe's uuid: these two, index, count, and the unit in two.
constexpr std::size_t kMarkAt = 10;
constexpr std::uint8_t kMark0 = 's';
constexpr std::uint8_t kMark1 = 't';

static_assert(kStripesMax >= 2 && kStripesMax <= 255);
static_assert(kStripeUnitRecords >= 1 && kStripeUnitRecords <= 0xffff);

}  // namespace

std::string describe(const StripeId& stripe) {
  return fmt::format("stripe {} of {}", stripe.index, stripe.count);
}

Uuid stripe_uuid(const Uuid& vdisk, const StripeId& stripe) {
  TLOG_ASSERT(stripe.index < stripe.count && stripe.count <= kStripesMax);
  Uuid uuid = vdisk;
  uuid.bytes[kMarkAt] = kMark0;
  uuid.bytes[kMarkAt + 1] = kMark1;
  uuid.bytes[kMarkAt + 2] = static_cast<std::uint8_t>(stripe.index);
  uuid.bytes[kMarkAt + 3] = static_cast<std::uint8_t>(stripe.count);
  uuid.bytes[kMarkAt + 4] = static_cast<std::uint8_t>(stripe.unit & 0xff);
  uuid.bytes[kMarkAt + 5] = static_cast<std::uint8_t>(stripe.unit >> 8);
  return uuid;
}

std::optional<StripeId> stripe_of(const Uuid& log) {
  const auto& bytes = log.bytes;
  if (bytes[kMarkAt] != kMark0 || bytes[kMarkAt + 1] != kMark1) return std::nullopt;
  StripeId stripe{.index = bytes[kMarkAt + 2],
                  .count = bytes[kMarkAt + 3],
                  .unit = bytes[kMarkAt + 4] + std::uint64_t{bytes[kMarkAt + 5]} * 256};
  if (stripe.count < 2 || stripe.count > kStripesMax || stripe.index >= stripe.count ||
      stripe.unit == 0) {
    return std::nullopt;
  }
  return stripe;
}

Uuid without_stripe(const Uuid& log) {
  Uuid uuid = log;
  std::fill(uuid.bytes.begin() + kMarkAt, uuid.bytes.end(), std::uint8_t{0});
  return uuid;
}

std::string stripe_name(std::string_view vdisk, unsigned index) {
  return fmt::format("{}.stripe{}", vdisk, index);
}

Sequence StripeMap::global_of(unsigned stripe, Sequence local) const {
  const std::uint64_t unit = (local - 1) / unit_;  // of the stripe
  // What is no sequence any more, of a server that says anything, must not become a small one.
  if (unit >= ~Sequence{0} / unit_ / count_ - 1) return ~Sequence{0};
  return (unit * count_ + stripe) * unit_ + (local - 1) % unit_ + 1;
}

Sequence StripeMap::locals_until(unsigned stripe, Sequence sequence) const {
  const std::uint64_t units = sequence / unit_;  // that are whole
  const std::uint64_t turns = units / count_;
  const std::uint64_t left = units % count_;
  const Sequence whole = (turns + (left > stripe ? 1 : 0)) * unit_;
  return left == stripe ? whole + sequence % unit_ : whole;
}

Sequence StripeMap::prefix_of(std::span<const Sequence> locals) const {
  TLOG_ASSERT(locals.size() == count_);
  Sequence prefix = ~Sequence{0};
  for (unsigned i = 0; i < count_; ++i) {
    const Sequence missing = locals[i] == ~Sequence{0} ? ~Sequence{0} : global_of(i, locals[i] + 1);
    prefix = std::min(prefix, missing - 1);
  }
  return prefix;
}

}  // namespace tlog::format
