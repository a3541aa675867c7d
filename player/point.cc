#include "player/point.h"

#include <fmt/format.h>

#include <algorithm>

#include "player/time_point.h"

namespace tlog::player {

namespace {

std::string text_of(ConstByteSpan bytes) {
  std::string text(bytes.size(), '\0');
  std::transform(bytes.begin(), bytes.end(), text.begin(),
                 [](std::byte byte) { return static_cast<char>(byte); });
  return text;
}

Error unreachable(std::string_view what, std::string_view reason, const Range& range) {
  return Error(Code::kNotFound, fmt::format("restore: {}: {}; the log reaches from {}", what,
                                            reason, describe(range)));
}

Result<Cut> resolve_sequence(Sequence sequence, const Range& range) {
  if (sequence < range.first_sequence || sequence > range.last_sequence) {
    return fail(unreachable(fmt::format("sequence {}", sequence), "not in the log", range));
  }
  return Cut{sequence, ~TimestampNs{0}};
}

// The last record at or before `time`: in the aggregation after those that are wholly before it.
Result<Sequence> last_sequence_at(walk::LogReader& reader, TimestampNs time, const Range& range) {
  if (time >= range.last_time) return range.last_sequence;
  AggregationNumber whole = 0;
  auto found = reader.find_time(time);
  if (found) {
    whole = *found;
  } else if (found.error().code() != Code::kNotFound) {
    return fail(found.error());
  }
  Sequence last = 0;
  walk::WalkOptions options;
  options.first = std::max<AggregationNumber>(whole, 1);
  options.read_ahead = 2;
  TLOG_TRY(reader.walk(options, [&](walk::Visited& visited) -> Result<bool> {
    for (const format::Record& record : visited.opened.aggregation.records) {
      if (record.timestamp > time) return false;
      last = record.sequence;
    }
    return true;
  }));
  return last;
}

Result<Cut> resolve_time(walk::LogReader& reader, TimestampNs time, const Range& range,
                         const ResolveOptions& options) {
  if (time > options.now) {
    return fail(unreachable(format_time(time), "is in the future", range));
  }
  if (time < range.first_time) {
    return fail(unreachable(format_time(time), "is before the first record", range));
  }
  auto sequence = last_sequence_at(reader, time, range);
  if (sequence) return Cut{*sequence, time};
  // The records' own times decide while restoring; the sequence is only the bound that is known.
  bool damaged = sequence.error().code() == Code::kCorruption;
  if (damaged && options.up_to_damage) return Cut{range.last_sequence, time};
  return fail(sequence.error());
}

Result<Cut> resolve_mark(walk::LogReader& reader, const std::string& name, const Range& range,
                         const ResolveOptions& options) {
  std::vector<Mark> marks;
  Status walked = find_marks(reader, options.watch, marks);
  if (!walked) {
    bool damaged = walked.error().code() == Code::kCorruption;
    if (!damaged || !options.up_to_damage) return fail(walked.error());
  }
  std::erase_if(marks, [&](const Mark& mark) { return mark.name != name; });
  if (marks.size() == 1) return Cut{marks.front().sequence, ~TimestampNs{0}};
  if (marks.empty()) {
    return fail(unreachable(fmt::format("mark '{}'", name),
                            "no such mark (`tlogplay info` lists them)", range));
  }
  std::string list;
  for (const Mark& mark : marks) {
    list +=
        fmt::format("{}{} ({})", list.empty() ? "" : ", ", mark.sequence, format_time(mark.time));
  }
  return fail(Code::kInvalidArgument,
              fmt::format("restore: mark '{}': {} records have this name, at sequences {}; choose "
                          "one with --until-sequence",
                          name, marks.size(), list));
}

}  // namespace

std::string describe(const Range& range) {
  return fmt::format("sequence {} to {} ({} to {})", range.first_sequence, range.last_sequence,
                     format_time(range.first_time), format_time(range.last_time));
}

Result<Range> reachable_range(walk::LogReader& reader) {
  Range range;
  const walk::LogHead& head = reader.head();
  if (head.number == 0) return range;
  walk::WalkOptions first;
  first.last = 1;
  first.read_ahead = 1;
  TLOG_TRY(reader.walk(first, [&](walk::Visited& visited) -> Result<bool> {
    const auto& records = visited.opened.aggregation.records;
    range.first_sequence = records.front().sequence;
    range.first_time = records.front().timestamp;
    return false;
  }));
  range.last_sequence = head.sequence;
  range.last_time = head.timestamp;
  return range;
}

Status find_marks(walk::LogReader& reader, const Watch& watch, std::vector<Mark>& marks) {
  if (reader.head().number == 0) return {};
  bool stopped = false;
  TLOG_TRY(reader.walk({}, [&](walk::Visited& visited) -> Result<bool> {
    for (const format::Record& record : visited.opened.aggregation.records) {
      if (record.operation != Operation::kMark) continue;
      marks.push_back({text_of(record.data), record.sequence, record.timestamp});
    }
    stopped = watch && !watch(visited);
    return !stopped;
  }));
  if (stopped) return fail(Code::kShutdown, "marks: interrupted while reading the log");
  return {};
}

Result<Cut> resolve(walk::LogReader& reader, const Until& until, const Range& range,
                    const ResolveOptions& options) {
  switch (until.kind) {
    case Until::Kind::kNewest:
      // Behind a damaged end there is more, which the walk will say.
      return Cut{reader.damage() ? ~Sequence{0} : range.last_sequence, ~TimestampNs{0}};
    case Until::Kind::kSequence:
      return resolve_sequence(until.sequence, range);
    case Until::Kind::kTime:
      return resolve_time(reader, until.time, range, options);
    case Until::Kind::kMark:
      return resolve_mark(reader, until.mark, range, options);
  }
  return Cut{range.last_sequence, ~TimestampNs{0}};
}

}  // namespace tlog::player
