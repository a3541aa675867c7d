// File: tests/support/log_builder.h
// LogBuilder: writes a log of chosen records into the stores of a configuration's vdisk, without an
// engine, and knows what the vdisk holds after every one of them.
//
// Throws std::runtime_error when something that must work does not. Threading: one thread.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/log_samples.h"
#include "tlog/config/config.h"
#include "tlog/flush/log_writer.h"
#include "tlog/io/loop.h"
#include "tlog/io/workers.h"
#include "tlog/seal/sealer.h"

namespace tlog::testing {

class LogBuilder {
 public:
  static constexpr TimestampNs kStart = 1'700'000'000'000'000'000;
  static constexpr TimestampNs kStep = 1'000'000'000;  // between records

  // Creates the vdisk in its stores, and opens it for writing.
  LogBuilder(const std::string& config_path, const std::string& vdisk, std::uint64_t seed = 1,
             std::optional<Uuid> uuid = std::nullopt);
  ~LogBuilder();
  LogBuilder(const LogBuilder&) = delete;
  LogBuilder& operator=(const LogBuilder&) = delete;

  // Each is one record, one step later than the one before.
  void write(std::uint64_t offset, std::string data);
  void write_random(std::uint64_t offset, std::uint64_t size);
  void discard(std::uint64_t offset, std::uint64_t size);
  void zero(std::uint64_t offset, std::uint64_t size);
  void mark(const std::string& name);
  void flush_barrier();
  void next_at(TimestampNs time) { time_ = time - kStep; }  // the next record's, instead
  // A few random ones of all kinds.
  void random_records(unsigned count, std::uint64_t size_max = 16 * kKiB);

  // Seals the records so far and hands them to the writer.
  void close_aggregation();
  // Closes the writer and opens the next epoch.
  void new_epoch();
  // Everything is stored and nothing more can be added; the stores stay open, for damage.
  void end_log();
  // Everything is stored and closed; the directories are free for others. Nothing can be added
  // afterwards.
  void finish();

  Sequence last_sequence() const { return operations_.size(); }
  TimestampNs time_of(Sequence sequence) const { return operations_.at(sequence - 1).timestamp; }
  const std::vector<format::AggregationReference>& aggregations() const { return references_; }
  std::uint64_t size() const { return format_.size; }
  const format::VdiskFormat& format() const { return format_; }
  // What the vdisk holds after record `sequence`; 0: zeros. Data of records is kept only with
  // keep_data.
  std::vector<std::byte> model_at(Sequence sequence) const;
  void keep_data(bool keep) { keep_data_ = keep; }

  // For damage: the stores for writing (until finish()), and where a shard is.
  store::Store& store(std::size_t index) { return *stores_.at(index); }
  void put_shards(const shard::ShardSet& shards);
  void remove_shard(AggregationNumber number, unsigned index);
  std::string shard_key(AggregationNumber number) const;
  Buffer read_shard(AggregationNumber number, unsigned index);
  void write_shard(AggregationNumber number, unsigned index, ConstByteSpan bytes);

 private:
  void add(Operation operation, std::uint64_t offset, std::uint64_t size, std::string data);
  void open_writer();
  void close_writer();

  struct Kept {
    Operation operation;
    std::uint64_t offset;
    std::uint64_t size;
    TimestampNs timestamp;
    std::string data;
  };

  config::Config config_;
  SeededRandom random_;
  format::VdiskFormat format_;
  std::unique_ptr<io::Loop> loop_;
  io::Workers workers_;
  std::unique_ptr<seal::MasterKey> key_;
  std::unique_ptr<seal::Sealer> sealer_;
  std::vector<std::unique_ptr<store::Store>> stores_;
  std::vector<store::Store*> borrowed_;
  std::unique_ptr<flush::LogWriter> writer_;
  std::deque<Kept> operations_;
  std::size_t sealed_ = 0;  // of them are in an aggregation
  std::vector<format::AggregationReference> references_;
  std::atomic<std::uint64_t> committed_{0};
  TimestampNs time_ = kStart;
  bool keep_data_ = true;
  bool finished_ = false;
};

}  // namespace tlog::testing
