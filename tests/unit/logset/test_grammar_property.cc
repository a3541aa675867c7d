// Whatever is written is read back, in any cut; whatever is read means one thing however it is cut.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "tests/unit/logset/noted_slices.h"

namespace tlog::logset {
namespace {

std::string draw_name() {
  const std::string letters = "09azAZ";
  std::string name;
  const auto size = *rc::gen::inRange<std::size_t>(1, 12);
  for (std::size_t i = 0; i < size; ++i) name += *rc::gen::elementOf(letters);
  return name;
}

std::vector<ConstByteSpan> draw_cut(ConstByteSpan bytes) {
  std::vector<ConstByteSpan> pieces;
  while (!bytes.empty()) {
    const auto size = std::min(*rc::gen::inRange<std::size_t>(1, 9), bytes.size());
    pieces.push_back(bytes.first(size));
    bytes = bytes.subspan(size);
  }
  return pieces;
}

RC_GTEST_PROP(LogsetGrammarProperty, offsets_come_back_in_any_cut, ()) {
  LogLengths logs;
  const auto count = *rc::gen::inRange(0, 8);
  for (int i = 0; i < count; ++i) {
    logs[draw_name()] = *rc::gen::inRange<std::uint64_t>(0, kLogBytesMax);
  }
  std::vector<LogLength> list;
  for (const auto& [name, bytes] : logs) list.push_back({name, bytes});
  const std::string text = offsets_text(list) + "rest";
  OffsetsParser parser;
  std::size_t used = 0;
  for (ConstByteSpan piece : draw_cut(bytes_in(text))) {
    auto took = parser.take(piece);
    RC_ASSERT(took.has_value());
    used += *took;
  }
  RC_ASSERT(parser.done());
  RC_ASSERT(used == text.size() - 4);
  RC_ASSERT(parser.lengths() == logs);
}

RC_GTEST_PROP(LogsetGrammarProperty, slices_come_back_in_any_cut, ()) {
  std::vector<NotedSlices::Slice> slices;
  std::string text;
  const auto count = *rc::gen::inRange(0, 5);
  for (int i = 0; i < count; ++i) {
    std::string bytes = *rc::gen::nonEmpty(rc::gen::string<std::string>());
    const SliceHead head{draw_name(), *rc::gen::inRange<std::uint64_t>(0, kLogBytesMax),
                         bytes.size()};
    text += slice_line(head) + bytes;
    slices.push_back({head, std::move(bytes), true});
  }
  NotedSlices noted;
  SliceParser parser(noted);
  for (ConstByteSpan piece : draw_cut(bytes_in(text))) RC_ASSERT(parser.take(piece).has_value());
  RC_ASSERT(parser.finish().has_value());
  RC_ASSERT(noted.slices == slices);
}

// Bytes of the grammar in any order: what comes out may not depend on the cut.
RC_GTEST_PROP(LogsetGrammarProperty, the_cut_means_nothing, ()) {
  const auto text = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("a1 \n\r-+0")));
  NotedSlices whole;
  NotedSlices cut;
  SliceParser first(whole);
  SliceParser second(cut);
  Status once = first.take(bytes_in(text));
  if (once) once = first.finish();
  Status pieces;
  for (ConstByteSpan piece : draw_cut(bytes_in(text))) {
    if (pieces) pieces = second.take(piece);
  }
  if (pieces) pieces = second.finish();
  RC_ASSERT(once.has_value() == pieces.has_value());
  RC_ASSERT(whole.slices == cut.slices);
}

}  // namespace
}  // namespace tlog::logset
