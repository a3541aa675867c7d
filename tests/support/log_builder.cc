#include "tests/support/log_builder.h"

#include <fmt/format.h>

#include <chrono>
#include <cstring>
#include <latch>
#include <stdexcept>

#include "tests/support/process.h"
#include "tlog/base/clock.h"
#include "tlog/store/stores.h"

namespace tlog::testing {

namespace {

constexpr auto kPatience = Milliseconds(60'000);

void must(const Status& status) {
  if (!status) throw std::runtime_error(status.error().message());
}
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return std::move(*result);
}

}  // namespace

LogBuilder::LogBuilder(const std::string& config_path, const std::string& vdisk, std::uint64_t seed,
                       std::optional<Uuid> uuid)
    : config_(must(config::load(io::system_files(), config_path))), random_(seed) {
  const config::Vdisk* found = config_.find_vdisk(vdisk);
  if (!found) throw std::runtime_error("no such vdisk");
  format_.vdisk = uuid ? *uuid : random_.next_uuid();
  format_.name = vdisk;
  format_.size = found->size;
  format_.block_size = found->block_size;
  format_.data_shards = static_cast<std::uint8_t>(found->tlog.data_shards);
  format_.parity_shards = static_cast<std::uint8_t>(found->tlog.parity_shards);
  key_ = std::make_unique<seal::MasterKey>(
      must(seal::MasterKey::load(io::system_files(), config_.key_file)));
  sealer_ = std::make_unique<seal::Sealer>(*key_, random_);
  loop_ = must(io::make_loop({}, null_logger()));
  must(loop_->start());
  workers_.start(2, "builder");
  for (const std::string& directory : config_.find_cluster(found->tlog.cluster)->directories) {
    store::SegmentStoreOptions options;
    options.directory = directory;
    options.vdisk = vdisk;
    stores_.push_back(
        must(store::open_segment_store(options, io::system_files(), *loop_, null_logger())));
    borrowed_.push_back(stores_.back().get());
  }
  flush::LogWriter::Parts parts;
  parts.stores = borrowed_;
  parts.sealer = sealer_.get();
  parts.files = &io::system_files();
  parts.loop = loop_.get();
  parts.clock = &system_clock();
  parts.logger = &null_logger();
  must(flush::LogWriter::create(parts, format_));
  open_writer();
}

LogBuilder::~LogBuilder() {
  if (!finished_) {
    writer_.reset();
    std::latch closed(static_cast<std::ptrdiff_t>(stores_.size()));
    for (auto& store : stores_) store->close([&closed] { closed.count_down(); });
    closed.wait();
  }
  workers_.stop();
  loop_->stop();
}

void LogBuilder::open_writer() {
  auto reader = must(walk::LogReader::open({.vdisk = format_.name,
                                            .stores = borrowed_,
                                            .sealer = sealer_.get(),
                                            .workers = &workers_,
                                            .logger = &null_logger()}));
  flush::LogWriter::Parts parts;
  parts.stores = borrowed_;
  parts.sealer = sealer_.get();
  parts.files = &io::system_files();
  parts.loop = loop_.get();
  parts.clock = &system_clock();
  parts.logger = &null_logger();
  writer_ = must(flush::LogWriter::open(std::move(parts), reader->metadata(), reader->head()));
}

void LogBuilder::close_writer() {
  if (sealed_ < operations_.size()) close_aggregation();
  bool stored = wait_until(
      [&] {
        return committed_.load() == references_.size() && writer_->status().missing_shards == 0;
      },
      kPatience);
  if (!stored) {
    const flush::LogWriterStatus status = writer_->status();
    throw std::runtime_error(
        fmt::format("the log was not stored: {} of {} committed, {} in flight, {} shards missing, "
                    "{} buffered: {}",
                    committed_.load(), references_.size(), status.in_flight, status.missing_shards,
                    status.buffered_bytes, status.waiting_for));
  }
  std::latch closed(1);
  writer_->close(system_clock().monotonic_ns() + 30'000'000'000,
                 [&closed] { closed.count_down(); });
  closed.wait();
  writer_.reset();
}

void LogBuilder::new_epoch() {
  close_writer();
  open_writer();
}

void LogBuilder::end_log() {
  if (writer_) close_writer();
}

void LogBuilder::finish() {
  end_log();
  std::latch closed(static_cast<std::ptrdiff_t>(stores_.size()));
  for (auto& store : stores_) store->close([&closed] { closed.count_down(); });
  closed.wait();
  stores_.clear();
  finished_ = true;
}

void LogBuilder::add(Operation operation, std::uint64_t offset, std::uint64_t size,
                     std::string data) {
  time_ += kStep;
  operations_.push_back({operation, offset, size, time_, std::move(data)});
}

void LogBuilder::write(std::uint64_t offset, std::string data) {
  const std::uint64_t size = data.size();
  add(Operation::kWrite, offset, size, std::move(data));
}

void LogBuilder::write_random(std::uint64_t offset, std::uint64_t size) {
  std::string data(size, '\0');
  for (std::size_t at = 0; at < size; at += 8) {
    const std::uint64_t word = random_.next();
    std::memcpy(data.data() + at, &word, std::min<std::size_t>(8, size - at));
  }
  write(offset, std::move(data));
}

void LogBuilder::discard(std::uint64_t offset, std::uint64_t size) {
  add(Operation::kDiscard, offset, size, {});
}
void LogBuilder::zero(std::uint64_t offset, std::uint64_t size) {
  add(Operation::kZero, offset, size, {});
}
void LogBuilder::mark(const std::string& name) {
  add(Operation::kMark, 0, name.size(), name);
}
void LogBuilder::flush_barrier() {
  add(Operation::kFlush, 0, 0, {});
}

void LogBuilder::random_records(unsigned count, std::uint64_t size_max) {
  for (unsigned i = 0; i < count; ++i) {
    const std::uint64_t unit = random_.next() % 4 == 0 ? 1 : 512;
    const std::uint64_t offset = random_.next() % (size() / unit) * unit;
    const std::uint64_t wanted = (1 + random_.next() % (size_max / unit)) * unit;
    const std::uint64_t length = std::min(wanted, size() - offset);
    switch (random_.next() % 8) {
      case 0:
        discard(offset, length);
        break;
      case 1:
        zero(offset, length);
        break;
      case 2:
        flush_barrier();
        break;
      case 3:
        write(offset, std::string(length, '\0'));
        break;
      default:
        write_random(offset, length);
    }
  }
}

void LogBuilder::close_aggregation() {
  if (sealed_ == operations_.size()) return;
  format::Aggregation aggregation;
  aggregation.header.vdisk = format_.vdisk;
  aggregation.header.number = references_.size() + 1;
  aggregation.header.epoch = writer_->epoch();
  aggregation.header.first_sequence = sealed_ + 1;
  aggregation.header.last_sequence = operations_.size();
  aggregation.header.timestamp = time_;
  if (!references_.empty()) aggregation.header.prev = references_.back().hash;
  for (std::size_t i = sealed_; i < operations_.size(); ++i) {
    const Kept& kept = operations_[i];
    format::Record record;
    record.sequence = i + 1;
    record.offset = kept.offset;
    record.size = kept.size;
    record.operation = kept.operation;
    record.timestamp = kept.timestamp;
    record.data = bytes_of(std::string_view(kept.data));
    aggregation.records.push_back(record);
  }
  const shard::Geometry geometry{format_.data_shards, format_.parity_shards};
  auto sealed = must(sealer_->seal(aggregation, shard::tail_room_max(geometry)));
  format::AggregationReference reference;
  reference.number = aggregation.header.number;
  reference.epoch = aggregation.header.epoch;
  reference.hash = sealed.hash;
  reference.first_sequence = aggregation.header.first_sequence;
  reference.last_sequence = aggregation.header.last_sequence;
  reference.first_timestamp = aggregation.records.front().timestamp;
  reference.last_timestamp = aggregation.records.back().timestamp;
  references_.push_back(reference);
  if (!wait_until([&] { return writer_->may_append(); }, kPatience)) {
    throw std::runtime_error("the writer takes nothing: " + writer_->status().waiting_for);
  }
  writer_->append(
      shard::ShardSet(geometry, {format_.vdisk, reference.epoch, reference.number, reference.hash},
                      std::move(sealed.bytes), sealed.length),
      reference, false, [this](Status status) {
        if (status) ++committed_;
      });
  if (!keep_data_) {
    for (std::size_t i = sealed_; i < operations_.size(); ++i) {
      operations_[i].data = std::string();
    }
  }
  sealed_ = operations_.size();
}

std::vector<std::byte> LogBuilder::model_at(Sequence sequence) const {
  std::vector<std::byte> disk(size());
  for (Sequence i = 0; i < sequence; ++i) {
    const Kept& kept = operations_.at(i);
    if (kept.operation == Operation::kWrite) {
      std::memcpy(disk.data() + kept.offset, kept.data.data(), kept.data.size());
    } else if (kept.operation == Operation::kDiscard || kept.operation == Operation::kZero) {
      std::memset(disk.data() + kept.offset, 0, kept.size);
    }
  }
  return disk;
}

std::string LogBuilder::shard_key(AggregationNumber number) const {
  return format::shard_key(format_.name, references_.at(number - 1).epoch, number);
}

Buffer LogBuilder::read_shard(AggregationNumber number, unsigned index) {
  auto& store = *stores_.at(walk::store_of(number, index, stores_.size()));
  return must(store::get_and_wait(store, shard_key(number)));
}

void LogBuilder::write_shard(AggregationNumber number, unsigned index, ConstByteSpan bytes) {
  auto& store = *stores_.at(walk::store_of(number, index, stores_.size()));
  must(store::put_and_wait(store, shard_key(number), bytes));
}

void LogBuilder::remove_shard(AggregationNumber number, unsigned index) {
  auto& store = *stores_.at(walk::store_of(number, index, stores_.size()));
  Status answer;
  std::latch removed(1);
  store.remove(shard_key(number), [&](Status status) {
    answer = std::move(status);
    removed.count_down();
  });
  store.hurry();
  removed.wait();
  must(answer);
}

void LogBuilder::put_shards(const shard::ShardSet& shards) {
  for (unsigned i = 0; i < shards.geometry().total(); ++i) {
    Buffer value(shards.shard_bytes());
    std::size_t at = 0;
    for (ConstByteSpan piece : shards.pieces(i)) {
      std::memcpy(value.data() + at, piece.data(), piece.size());
      at += piece.size();
    }
    write_shard(shards.identity().number, i, value.span());
  }
}

}  // namespace tlog::testing
