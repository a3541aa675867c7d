// File: tests/support/log_samples.h
// Aggregations and metadata for tests, and a Random that can be replayed.
#pragma once

#include <atomic>
#include <deque>
#include <string>
#include <vector>

#include "tlog/base/random.h"
#include "tlog/format/aggregation.h"
#include "tlog/format/metadata.h"

namespace tlog::testing {

// splitmix64: the same seed gives the same bytes on every machine. Threading: any thread, as Random
// asks; with one thread the order of the bytes is the same each time, too.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(ByteSpan bytes) override {
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(next());
  }
  void restart(std::uint64_t seed) { state_.store(seed); }
  std::uint64_t next() {
    std::uint64_t z = state_.fetch_add(kStep, std::memory_order_relaxed) + kStep;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  static constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15;
  std::atomic<std::uint64_t> state_;
};

// An aggregation that owns the data its records point at. Not movable: the records point into it.
class SampleAggregation {
 public:
  SampleAggregation() = default;
  SampleAggregation(const SampleAggregation&) = delete;
  SampleAggregation& operator=(const SampleAggregation&) = delete;

  format::Aggregation value;

  void add(Operation operation, std::uint64_t offset, std::uint64_t size, std::string data = {}) {
    data_.push_back(std::move(data));
    auto& header = value.header;
    value.records.push_back({.sequence = header.first_sequence + value.records.size(),
                             .offset = offset,
                             .size = size,
                             .operation = operation,
                             .timestamp = 1'700'000'000'000'000'000 + value.records.size(),
                             .hash = {},
                             .data = bytes_of(std::string_view(data_.back()))});
    header.last_sequence = value.records.back().sequence;
  }
  void add_write(std::uint64_t offset, std::string data) {
    const std::uint64_t size = data.size();
    add(Operation::kWrite, offset, size, std::move(data));
  }

  // One of each operation, unaligned and empty data too.
  void fill_mixed(AggregationNumber number = 7) {
    value.header = {.vdisk = sample_uuid(),
                    .number = number,
                    .epoch = 3,
                    .first_sequence = 100,
                    .last_sequence = 100,
                    .timestamp = 1'700'000'000'500'000'000,
                    .prev = {}};
    if (number > 1) value.header.prev.bytes.fill(0x5a);
    add_write(4096, std::string(512, 'a'));
    add(Operation::kDiscard, 0, std::uint64_t{1} << 40);
    add_write(17, "unaligned");
    add(Operation::kZero, 8192, 4096);
    add(Operation::kMark, 0, 13, "before-update");
    add(Operation::kFlush, 0, 0);
    add_write(1000, std::string(64, '\0'));
  }
  static Uuid sample_uuid() { return *Uuid::parse("11223344-5566-4788-99aa-bbccddeeff00"); }

 private:
  std::deque<std::string> data_;
};

inline Buffer plaintext_of(const format::Aggregation& aggregation) {
  Buffer table = format::encode_table(aggregation);
  std::size_t size = table.size();
  for (const auto& record : aggregation.records) size += record.data.size();
  Buffer plaintext(size);
  std::memcpy(plaintext.data(), table.data(), table.size());
  std::size_t at = table.size();
  for (const auto& record : aggregation.records) {
    if (!record.data.empty())
      std::memcpy(plaintext.data() + at, record.data.data(), record.data.size());
    at += record.data.size();
  }
  return plaintext;
}

inline format::AggregationReference sample_reference(AggregationNumber number) {
  format::AggregationReference reference{.number = number,
                                         .epoch = 3,
                                         .hash = {},
                                         .first_sequence = number * 10,
                                         .last_sequence = number * 10 + 9,
                                         .first_timestamp = number * 1000,
                                         .last_timestamp = number * 1000 + 900};
  reference.hash.bytes.fill(static_cast<std::uint8_t>(number));
  return reference;
}

inline format::Metadata sample_metadata() {
  format::Metadata metadata;
  metadata.generation = 42;
  metadata.format = {.vdisk = SampleAggregation::sample_uuid(),
                     .name = "vm1",
                     .size = 10 * kGiB,
                     .block_size = 4096,
                     .data_shards = 4,
                     .parity_shards = 2};
  metadata.epochs = {
      {.epoch = 1, .started = 1000, .first_number = 1, .first_sequence = 1, .writer = "host pid 1"},
      {.epoch = 3,
       .started = 9000,
       .first_number = 5,
       .first_sequence = 80,
       .writer = "host pid 2",
       .journal = {},
       .write_quorum = 6}};
  metadata.epochs[1].journal.bytes.fill(0x77);
  for (AggregationNumber number = 3; number <= 7; ++number)
    metadata.last.push_back(sample_reference(number));
  metadata.index_pages = 0;
  for (int i = 0; i < 16; ++i) metadata.key_id.push_back(static_cast<std::uint8_t>(i));
  metadata.servers.resize(3);  // the second place is not known
  metadata.servers[0].server.bytes.fill(0x51);
  metadata.servers[0].since = 1;
  metadata.servers[0].address = "10.0.0.1:6379";
  metadata.servers[2].server.bytes.fill(0x53);
  metadata.servers[2].since = 3;
  metadata.servers[2].address = "unix:/run/redis.sock";
  metadata.servers[2].rebuilding = true;
  metadata.blocks = {
      .cluster = "standby", .switches = 2, .epoch = 3, .sequence = 79, .since = 9500};
  metadata.log.bytes.fill(0x99);
  metadata.complete = 6;
  return metadata;
}

inline format::IndexPage sample_page() {
  format::IndexPage page;
  page.page = 2;
  page.previous_page.bytes.fill(0x77);
  for (AggregationNumber number = 513; number <= 520; ++number)
    page.entries.push_back(sample_reference(number));
  return page;
}

}  // namespace tlog::testing
