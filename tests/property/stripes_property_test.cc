// However many stripes there are and however large a unit is: each sequence has one place, and the
// places of each stripe are dense.
#include <rapidcheck/gtest.h>

#include <vector>

#include "tlog/format/stripes.h"

namespace tlog::format {
namespace {

StripeMap draw_map() {
  return StripeMap(*rc::gen::inRange(1U, kStripesMax + 1),
                   *rc::gen::inRange<std::uint64_t>(1, 300));
}

RC_GTEST_PROP(StripesProperty, there_and_back, ()) {
  const StripeMap map = draw_map();
  const Sequence sequence = *rc::gen::inRange<Sequence>(1, Sequence{1} << 40);
  const unsigned stripe = map.stripe_of(sequence);
  RC_ASSERT(stripe < map.count());
  RC_ASSERT(map.global_of(stripe, map.local_of(sequence)) == sequence);
  RC_ASSERT(map.locals_until(stripe, sequence) == map.local_of(sequence));
  RC_ASSERT(map.locals_until(stripe, sequence - 1) == map.local_of(sequence) - 1);
  const Sequence end = map.end_of_unit(sequence);
  RC_ASSERT(end >= sequence);
  RC_ASSERT(map.stripe_of(end) == stripe);
  RC_ASSERT(map.local_of(end) - map.local_of(sequence) == end - sequence);
}

// The stripes' sequences are dense, and together they are all.
RC_GTEST_PROP(StripesProperty, every_sequence_once, ()) {
  const StripeMap map = draw_map();
  const Sequence count = *rc::gen::inRange<Sequence>(0, 5000);
  std::vector<Sequence> locals(map.count());
  for (Sequence sequence = 1; sequence <= count; ++sequence) {
    RC_ASSERT(map.local_of(sequence) == ++locals[map.stripe_of(sequence)]);
  }
  for (unsigned i = 0; i < map.count(); ++i) RC_ASSERT(map.locals_until(i, count) == locals[i]);
  RC_ASSERT(map.prefix_of(locals) == count);
}

// Up to the prefix each stripe has its part; the next one is lacking.
RC_GTEST_PROP(StripesProperty, the_prefix_is_the_longest, ()) {
  const StripeMap map = draw_map();
  std::vector<Sequence> locals;
  for (unsigned i = 0; i < map.count(); ++i) locals.push_back(*rc::gen::inRange<Sequence>(0, 5000));
  const Sequence prefix = map.prefix_of(locals);
  for (unsigned i = 0; i < map.count(); ++i) RC_ASSERT(map.locals_until(i, prefix) <= locals[i]);
  const unsigned next = map.stripe_of(prefix + 1);
  RC_ASSERT(map.local_of(prefix + 1) > locals[next]);
}

}  // namespace
}  // namespace tlog::format
