// File: tests/property/generate.h
// Aggregations as rapidcheck draws them.
#pragma once

// rapidcheck needs it before its own.
#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>

#include <algorithm>

#include "tests/support/log_samples.h"
#include "tlog/base/limits.h"

namespace tlog::testing {

inline std::string random_text(std::uint64_t seed, std::size_t length) {
  std::string text(length, '\0');
  SeededRandom random(seed);
  random.fill(std::as_writable_bytes(std::span(text)));
  return text;
}

inline void draw_record(SampleAggregation& sample) {
  const auto operation = static_cast<Operation>(*rc::gen::inRange(1, 6));
  const auto offset = *rc::gen::inRange<std::uint64_t>(0, kVdiskSizeMax / 2);
  switch (operation) {
    case Operation::kWrite:
      sample.add_write(offset, random_text(*rc::gen::arbitrary<std::uint64_t>(),
                                           *rc::gen::inRange<std::size_t>(0, 9000)));
      break;
    case Operation::kMark: {
      const auto length = *rc::gen::inRange<std::size_t>(0, kMarkNameMax + 1);
      sample.add(operation, 0, length, random_text(offset, length));
      break;
    }
    case Operation::kFlush:
      sample.add(operation, 0, 0);
      break;
    default:
      sample.add(operation, offset, *rc::gen::inRange<std::uint64_t>(0, kVdiskSizeMax / 2));
  }
}

inline void draw(SampleAggregation& sample) {
  SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
  auto& header = sample.value.header;
  header.vdisk = random.next_uuid();
  header.number = *rc::gen::inRange<std::uint64_t>(2, std::uint64_t{1} << 50);
  header.epoch = *rc::gen::inRange<std::uint64_t>(1, 1000);
  header.first_sequence = *rc::gen::inRange<std::uint64_t>(1, std::uint64_t{1} << 60);
  header.timestamp = random.next();
  random.fill(std::as_writable_bytes(std::span(header.prev.bytes)));
  const auto count = *rc::gen::inRange(1, 40);
  for (int i = 0; i < count; ++i) draw_record(sample);
}

// Empty when equal; data included.
inline std::string difference(const format::Aggregation& a, const format::Aggregation& b) {
  if (a.header.vdisk != b.header.vdisk || a.header.number != b.header.number ||
      a.header.epoch != b.header.epoch || a.header.first_sequence != b.header.first_sequence ||
      a.header.last_sequence != b.header.last_sequence ||
      a.header.timestamp != b.header.timestamp || a.header.prev != b.header.prev) {
    return "header";
  }
  if (a.records.size() != b.records.size()) return "number of records";
  for (std::size_t i = 0; i < a.records.size(); ++i) {
    const format::Record& x = a.records[i];
    const format::Record& y = b.records[i];
    if (x.sequence != y.sequence || x.offset != y.offset || x.size != y.size ||
        x.operation != y.operation || x.timestamp != y.timestamp || x.hash != y.hash ||
        !std::ranges::equal(x.data, y.data)) {
      return "record " + std::to_string(i);
    }
  }
  return {};
}

}  // namespace tlog::testing
