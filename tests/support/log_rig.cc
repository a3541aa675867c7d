// File: tests/support/log_rig.cc
#include "tests/support/log_rig.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <chrono>
#include <latch>

#include "tlog/flush/claim.h"
#include "tlog/store/stores.h"
#include "tlog/walk/log_place.h"

namespace tlog::testing {

LogRig::LogRig(LogRigOptions options) : options_(std::move(options)), random_(options_.seed) {
  format_ = {.vdisk = SampleAggregation::sample_uuid(),
             .name = "vm1",
             .size = kGiB,
             .block_size = 4096,
             .data_shards = static_cast<std::uint8_t>(options_.data),
             .parity_shards = static_cast<std::uint8_t>(options_.parity)};
  loop_ = std::move(io::make_loop({}, logger_).value());
  EXPECT_TRUE(loop_->start());
  workers_.start(2, "rig");
  key_ = std::make_unique<seal::MasterKey>(std::move(seal::MasterKey::generate(random_).value()));
  sealer_ = std::make_unique<seal::Sealer>(*key_, random_);
  maker_ = std::make_unique<AggregationMaker>(format_, *sealer_, ~options_.seed,
                                              options_.record_bytes_max);
  for (unsigned i = 0; i < options_.data + options_.parity; ++i) {
    stores_.push_back(options_.make_store
                          ? options_.make_store(i, *loop_)
                          : store::make_memory_store("memory " + std::to_string(i), *loop_));
    faults_.push_back(std::make_unique<FaultStore>(*stores_.back(), *loop_));
  }
}

LogRig::~LogRig() {
  writer_.reset();
  std::latch closed(static_cast<std::ptrdiff_t>(faults_.size()));
  for (auto& store : faults_) store->close([&closed] { closed.count_down(); });
  closed.wait();
  workers_.stop();
  loop_->stop();
}

std::vector<store::Store*> LogRig::stores() const {
  std::vector<store::Store*> all;
  for (const auto& store : faults_) all.push_back(store.get());
  return all;
}

Result<std::unique_ptr<walk::LogReader>> LogRig::read_from(const std::vector<store::Store*>& stores,
                                                           const seal::Sealer& sealer,
                                                           std::function<bool()> stopping) {
  return walk::LogReader::open({.vdisk = format_.name,
                                .stores = stores,
                                .sealer = &sealer,
                                .workers = &workers_,
                                .logger = &logger_,
                                .stopping = std::move(stopping)});
}

namespace {

flush::LogWriter::Parts base_parts(const LogRigOptions& options) {
  flush::LogWriter::Parts parts;
  parts.files = &io::system_files();
  parts.clock = options.clock ? options.clock : &system_clock();
  parts.hints_path = options.hints_path;
  parts.open_timeout_ns = options.open_timeout_ns;
  parts.buffered_bytes_max = options.buffered_bytes_max;
  parts.write_quorum = options.write_quorum;
  return parts;
}

}  // namespace

Status LogRig::create() {
  flush::LogWriter::Parts parts = base_parts(options_);
  parts.stores = stores();
  parts.sealer = sealer_.get();
  parts.loop = loop_.get();
  parts.logger = &logger_;
  return flush::LogWriter::create(parts, format_);
}

flush::LogWriter::Parts LogRig::writer_parts() {
  flush::LogWriter::Parts parts = base_parts(options_);
  parts.stores = stores();
  parts.sealer = sealer_.get();
  parts.loop = loop_.get();
  parts.logger = &logger_;
  parts.workers = options_.writer_has_workers ? &workers_ : nullptr;
  parts.journal = options_.journal;
  return parts;
}

Result<std::shared_ptr<flush::HintedShards>> LogRig::open_hinted() {
  if (options_.hinted_bytes_max == 0) return std::shared_ptr<flush::HintedShards>();
  return flush::HintedShards::open({.files = &io::system_files(),
                                    .loop = loop_.get(),
                                    .path = options_.hints_path + "-shards",
                                    .vdisk = format_.vdisk,
                                    .geometry = walk::geometry_of(format_),
                                    .bytes_max = options_.hinted_bytes_max});
}

Status LogRig::open_writer(bool accept_loss) {
  TLOG_ASSIGN(auto found, walk::read_metadata(format_.name, stores()));
  flush::LogWriter::Parts parts = writer_parts();
  TLOG_ASSIGN(parts.hinted, open_hinted());
  TLOG_ASSIGN(auto not_fenced, flush::LogWriter::fence(parts, found.metadata));
  reading_ = std::make_unique<flush::HintedStores>(format_.name, stores(), *loop_, parts.hinted);
  TLOG_ASSIGN(auto reader, walk::LogReader::open({.vdisk = format_.name,
                                                  .stores = reading_->stores(),
                                                  .sealer = sealer_.get(),
                                                  .workers = &workers_,
                                                  .logger = &logger_,
                                                  .not_fenced = std::move(not_fenced),
                                                  .accept_loss = accept_loss}));
  TLOG_TRY(flush::check_still_fenced(found.metadata, reader->metadata()));
  const walk::LogHead head = reader->head();
  EXPECT_GE(head.number, committed_.load()) << "a committed aggregation is gone";
  EXPECT_LE(head.number, model_.size());
  if (head.number < model_.size()) model_.resize(head.number);
  if (head.number > 0) {
    EXPECT_EQ(head.hash, model_.back().reference.hash);
  }
  committed_ = head.number;
  TLOG_ASSIGN(writer_, flush::LogWriter::open(std::move(parts), reader->metadata(), head));
  return {};
}

void LogRig::append(unsigned count, bool urgent) {
  for (unsigned i = 0; i < count; ++i) {
    const AggregationNumber number = model_.size() + 1;
    Appended made;
    shard::ShardSet shards = make(writer_->epoch(), number,
                                  model_.empty() ? 1 : model_.back().reference.last_sequence + 1,
                                  model_.empty() ? Hash256{} : model_.back().reference.hash, made);
    model_.push_back(made);
    writer_->append(std::move(shards), made.reference, urgent, [this, number](Status status) {
      if (!status) return;
      EXPECT_EQ(committed_.load() + 1, number) << "commits must be told in order";
      committed_ = number;
    });
  }
}

bool LogRig::wait_until(const std::function<bool()>& condition, unsigned seconds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    // One turn of the loop, not a guess at a time.
    std::latch turned(1);
    io::run_on(*loop_, [&] { loop_->add_timer(1'000'000, [&turned] { turned.count_down(); }); });
    turned.wait();
  }
  return true;
}

Status LogRig::begin(unsigned aggregations) {
  TLOG_TRY(create());
  TLOG_TRY(open_writer());
  append(aggregations);
  if (wait_committed(aggregations)) return {};
  return fail(Code::kTimeout, fmt::format("begin: {} of {} aggregations are committed; see the log",
                                          committed(), aggregations));
}

bool LogRig::wait_committed(AggregationNumber number, unsigned seconds) {
  return wait_until([&] { return committed_.load() >= number; }, seconds);
}

void LogRig::close_writer(std::uint64_t budget_ns) {
  std::latch closed(1);
  writer_->close(clock().monotonic_ns() + budget_ns, [&closed] { closed.count_down(); });
  closed.wait();
  writer_.reset();
}

void LogRig::expect_log_is_model() {
  auto reader = read();
  ASSERT_TRUE(reader) << reader.error().message();
  ASSERT_EQ((*reader)->head().number, model_.size());
  std::size_t visited = 0;
  Status walked = (*reader)->walk({}, [&](walk::Visited& found) -> Result<bool> {
    EXPECT_EQ(AggregationMaker::difference(found.opened, model_.at(visited++)), "");
    return true;
  });
  EXPECT_TRUE(walked) << walked.error().message();
  EXPECT_EQ(visited, model_.size());
}

std::string LogRig::key(AggregationNumber number) const {
  return format::shard_key(format_.name, model_.at(number - 1).reference.epoch, number);
}

void LogRig::tamper(AggregationNumber number, unsigned index,
                    const std::function<bool(Buffer&)>& change) {
  store::Store& store = *stores_[walk::store_of(number, index, stores_.size())];
  auto value = store::get_and_wait(store, key(number));
  ASSERT_TRUE(value) << value.error().message();
  if (change(*value)) {
    ASSERT_TRUE(store::put_and_wait(store, key(number), value->span()));
  } else {
    ASSERT_TRUE(store::remove_and_wait(store, key(number)));
  }
}

void LogRig::overwrite(AggregationNumber number, const shard::ShardSet& shards) {
  for (unsigned i = 0; i < shards.geometry().total(); ++i) {
    Buffer value(shards.shard_bytes());
    std::size_t at = 0;
    for (ConstByteSpan piece : shards.pieces(i)) {
      std::memcpy(value.data() + at, piece.data(), piece.size());
      at += piece.size();
    }
    ASSERT_TRUE(store::put_and_wait(*stores_[walk::store_of(number, i, stores_.size())],
                                    key(number), value.span()));
  }
}

void LogRig::wipe(unsigned store) {
  for (;;) {
    auto keys = store::scan_and_wait(*stores_[store], format::key_prefix(format_.name), "", 1000);
    ASSERT_TRUE(keys) << keys.error().message();
    if (keys->empty()) return;
    for (const std::string& each : *keys)
      ASSERT_TRUE(store::remove_and_wait(*stores_[store], each));
  }
}

}  // namespace tlog::testing
