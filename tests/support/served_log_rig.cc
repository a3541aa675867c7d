#include "tests/support/served_log_rig.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/process.h"

namespace tlog::testing {
namespace {

constexpr std::uint64_t kDiskBytes = 16 * kMiB;
constexpr TimestampNs kBegan = 1'700'000'000'000'000'000;

std::byte stamp(Sequence sequence, std::uint64_t at) {
  return static_cast<std::byte>(sequence * 131 + at * 7);
}

}  // namespace

bool soon(const std::function<bool()>& condition) {
  return wait_until(condition, Milliseconds(30'000));
}

format::Record RecordMaker::head(Sequence sequence) {
  format::Record record{.sequence = sequence,
                        .offset = sequence * 4096 % (kDiskBytes / 2),
                        .size = 4096,
                        .operation = sequence % 10 == 0 ? Operation::kDiscard : Operation::kWrite,
                        .timestamp = kBegan + sequence * 1000,
                        .hash = {},
                        .data = {}};
  return record;
}

protocol::Batch RecordMaker::batch(Sequence first, std::uint64_t count) const {
  std::uint64_t bytes = 0;
  for (Sequence s = first; s < first + count; ++s) bytes += data_bytes(s);
  protocol::Batch batch{.bytes = Buffer(bytes), .records = {}};
  std::uint64_t at = 0;
  for (Sequence s = first; s < first + count; ++s) {
    format::Record record = head(s);
    if (record.operation == Operation::kWrite) {
      record.size = data_bytes(s);
      const ByteSpan data = batch.bytes.span().subspan(at, record.size);
      for (std::uint64_t i = 0; i < data.size(); ++i) data[i] = stamp(s, i);
      record.data = data;
      at += record.size;
    }
    batch.records.push_back(record);
  }
  protocol::fill_hashes(batch.records);
  return batch;
}

std::string RecordMaker::difference(const format::Record& found) const {
  const protocol::Batch made = batch(found.sequence, 1);
  const format::Record& expected = made.records.front();
  if (found.offset != expected.offset || found.size != expected.size ||
      found.operation != expected.operation || found.timestamp != expected.timestamp) {
    return fmt::format("sequence {}: another operation, range or time", found.sequence);
  }
  if (found.hash != expected.hash) return fmt::format("sequence {}: its hash", found.sequence);
  if (!std::equal(found.data.begin(), found.data.end(), expected.data.begin(),
                  expected.data.end())) {
    return fmt::format("sequence {}: its data", found.sequence);
  }
  return "";
}

ServedLogRig::ServedLogRig(std::vector<std::string> servers, std::size_t data_bytes_max)
    : maker_(data_bytes_max), servers_(std::move(servers)) {
  loop_ = std::move(io::make_loop({}, logger_).value());
  EXPECT_TRUE(loop_->start());
  workers_.start(2, "rig");
  key_ = std::make_shared<const seal::MasterKey>(new_key());
  for (unsigned i = 0; i < kStores; ++i) {
    contents_.push_back(std::make_shared<store::MemoryStoreContents>());
  }
}

ServedLogRig::~ServedLogRig() {
  workers_.stop();
  loop_->stop();
}

seal::MasterKey ServedLogRig::new_key() {
  return std::move(seal::MasterKey::generate(random_).value());
}

Uuid ServedLogRig::journal(char name) {
  Uuid uuid;
  uuid.bytes.fill(static_cast<std::uint8_t>(name));
  return uuid;
}

std::vector<std::unique_ptr<store::Store>> ServedLogRig::stores() {
  std::vector<std::unique_ptr<store::Store>> all;
  for (unsigned i = 0; i < kStores; ++i) {
    if (servers_.empty()) {
      all.push_back(store::make_memory_store(fmt::format("memory {}", i), *loop_, contents_[i]));
      continue;
    }
    store::RespStoreOptions options;
    options.address = servers_.at(i);
    options.vdisk = "vm1";
    auto opened = store::open_resp_store(options, *loop_, logger_);
    EXPECT_TRUE(opened) << opened.error().message();
    all.push_back(std::move(*opened));
  }
  return all;
}

server::ServedLog::Parts ServedLogRig::parts(Heard& heard, char journal_name) {
  server::ServedLog::Parts parts;
  parts.stores = stores();
  parts.key = key_;
  parts.format = {.vdisk = SampleAggregation::sample_uuid(),
                  .name = "vm1",
                  .size = kDiskBytes,
                  .block_size = 4096,
                  .data_shards = 4,
                  .parity_shards = 2};
  parts.journal = journal(journal_name);
  parts.may_create = true;
  parts.flush_time_ns = 3'600'000'000'000;  // by itself only what is full is stored
  parts.files = &io::system_files();
  parts.loop = loop_.get();
  parts.workers = &workers_;
  parts.clock = &system_clock();
  parts.random = &random_;
  parts.logger = &logger_;
  parts.on_received = [&heard](Sequence sequence) {
    if (heard.received.exchange(sequence) > sequence) heard.backwards = true;
  };
  parts.on_stored = [&heard](Sequence sequence) {
    if (heard.stored.exchange(sequence) > sequence) heard.backwards = true;
    if (sequence > heard.received) heard.backwards = true;
  };
  parts.on_room = [&heard] { ++heard.rooms; };
  parts.on_failed = [&heard](const Error& error) {
    MutexLock lock(heard.mutex);
    heard.last_error = error;
    ++heard.failures;
  };
  return parts;
}

std::unique_ptr<server::ServedLog> ServedLogRig::open(Heard& heard, char journal_name) {
  auto opened = server::ServedLog::open(parts(heard, journal_name));
  EXPECT_TRUE(opened) << opened.error().message();
  return opened ? std::move(*opened) : nullptr;
}

server::ReadOnlyLog::Parts ServedLogRig::reader_parts() {
  server::ReadOnlyLog::Parts parts;
  parts.vdisk = "vm1";
  parts.stores = stores();
  parts.key = key_;
  parts.loop = loop_.get();
  parts.workers = &workers_;
  parts.random = &random_;
  parts.logger = &logger_;
  return parts;
}

void ServedLogRig::expect_log(Sequence last) {
  auto log = server::ReadOnlyLog::open(reader_parts());
  ASSERT_TRUE(log) << log.error().message();
  ASSERT_EQ((*log)->position().sequence, last);
  if (last == 0) return;
  Sequence next = 1;
  const Status read = (*log)->read(1, last, [&](std::span<const format::Record> some) {
    for (const format::Record& record : some) {
      EXPECT_EQ(record.sequence, next++);
      EXPECT_EQ(maker_.difference(record), "");
    }
    return Result<bool>(true);
  });
  EXPECT_TRUE(read) << read.error().message();
  EXPECT_EQ(next, last + 1);
}

std::uint64_t ServedLogRig::lacking_shards() {
  auto opened = server::ReadOnlyLog::open(reader_parts());
  EXPECT_TRUE(opened) << opened.error().message();
  const AggregationNumber newest = (*opened)->position().number;
  std::uint64_t lacking = 0;
  for (auto& contents : contents_) {
    std::vector<bool> has(newest + 1);
    contents->edit([&](store::MemoryStoreContents::Values& values) {
      for (const auto& [key, value] : values) {
        const auto shard = format::parse_shard_key("vm1", key);
        if (shard && shard->number <= newest) has[shard->number] = true;
      }
    });
    for (AggregationNumber number = 1; number <= newest; ++number) lacking += has[number] ? 0 : 1;
  }
  return lacking;
}

}  // namespace tlog::testing
