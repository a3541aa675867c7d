// File: tests/support/log_rig.h
// LogRig: a whole stored log for tests: loop, workers, key, k+m stores with outages on demand, a
// writer, readers, and a model of what was appended to compare with. Threading: one thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/aggregation_maker.h"
#include "tests/support/fault_store.h"
#include "tests/support/keeping_logger.h"
#include "tlog/flush/hinted_stores.h"
#include "tlog/flush/log_writer.h"
#include "tlog/io/loop.h"
#include "tlog/io/workers.h"
#include "tlog/seal/sealer.h"
#include "tlog/walk/log_reader.h"

namespace tlog::testing {

struct LogRigOptions {
  unsigned data = 4;
  unsigned parity = 2;
  std::string hints_path = {};
  std::uint64_t buffered_bytes_max = 64 * kMiB;
  unsigned write_quorum = 0;
  std::uint64_t hinted_bytes_max = 0;  // in the file hints_path + "-shards"; 0: no such file
  std::uint64_t open_timeout_ns = 10'000'000'000;
  std::uint64_t seed = 1;
  std::size_t record_bytes_max = 600;
  bool writer_has_workers = true;
  Uuid journal{};                // tells one writer from another
  const Clock* clock = nullptr;  // of the writers; null: the system's
  // Another kind of store than memory.
  std::function<std::unique_ptr<store::Store>(unsigned index, io::Loop& loop)> make_store = {};
};

class LogRig {
 public:
  explicit LogRig(LogRigOptions options = {});
  ~LogRig();

  Status create();
  Result<std::unique_ptr<walk::LogReader>> read() { return read_with(*sealer_); }
  Result<std::unique_ptr<walk::LogReader>> read_with(const seal::Sealer& sealer) {
    return read_from(stores(), sealer);
  }
  Result<std::unique_ptr<walk::LogReader>> read_until(std::function<bool()> stopping) {
    return read_from(stores(), *sealer_, std::move(stopping));
  }
  flush::LogWriter::Parts writer_parts();
  Status open_writer(
      bool accept_loss = false);  // finds the head, drops from the model what did not survive;
                                  // EXPECTs that nothing committed is gone
  // A log that begins: created, opened for writing, and so many aggregations committed.
  Status begin(unsigned aggregations = 0);
  void append(unsigned count, bool urgent = true);
  bool wait_committed(AggregationNumber number, unsigned seconds = 20);
  bool wait_until(const std::function<bool()>& condition, unsigned seconds = 20);
  void close_writer(std::uint64_t budget_ns = 10'000'000'000);
  void crash_writer() { writer_.reset(); }
  void set_write_quorum(unsigned quorum) { options_.write_quorum = quorum; }  // of the next writer

  // EXPECTs that a walk gives the model, record by record.
  void expect_log_is_model();
  // Goes on with what another rig has appended to the same log; opening drops what did not survive.
  void adopt(const LogRig& other) {
    model_ = other.model_;
    maker_->go_on_after(*other.maker_);
    committed_ = 0;
  }
  void keep(AggregationNumber upto) { model_.resize(upto); }
  // The same with the model of another rig that wrote this log.
  void expect_model(std::vector<Appended> model) {
    model_ = std::move(model);
    expect_log_is_model();
  }

  flush::LogWriter& writer() { return *writer_; }
  FaultStore& fault(unsigned index) { return *faults_[index]; }
  store::Store& inner(unsigned index) { return *stores_[index]; }
  std::vector<store::Store*> stores() const;
  const std::vector<Appended>& model() const { return model_; }
  KeepingLogger& logger() { return logger_; }
  io::Loop& loop() { return *loop_; }
  io::Workers& workers() { return workers_; }
  const std::string& vdisk() const { return format_.name; }
  const format::VdiskFormat& format() const { return format_; }
  AggregationNumber committed() const { return committed_.load(); }

  // The k+m shards of an aggregation that links to `prev`, as a writer would make them.
  shard::ShardSet make(Epoch epoch, AggregationNumber number, Sequence first, const Hash256& prev,
                       Appended& made) {
    return maker_->make(epoch, number, first, prev, made);
  }
  std::string key(AggregationNumber number) const;  // of a shard in the model
  // Changes the stored shard `index`; removes it when `change` answers false.
  void tamper(AggregationNumber number, unsigned index, const std::function<bool(Buffer&)>& change);
  void overwrite(AggregationNumber number, const shard::ShardSet& shards);
  void wipe(unsigned store);

 private:
  Result<std::unique_ptr<walk::LogReader>> read_from(const std::vector<store::Store*>& stores,
                                                     const seal::Sealer& sealer,
                                                     std::function<bool()> stopping = {});
  Result<std::shared_ptr<flush::HintedShards>> open_hinted();

  const Clock& clock() const { return options_.clock ? *options_.clock : system_clock(); }

  LogRigOptions options_;
  SeededRandom random_;
  KeepingLogger logger_;
  format::VdiskFormat format_;
  std::unique_ptr<io::Loop> loop_;
  io::Workers workers_;
  std::unique_ptr<seal::MasterKey> key_;
  std::unique_ptr<seal::Sealer> sealer_;
  std::unique_ptr<AggregationMaker> maker_;
  std::vector<std::unique_ptr<store::Store>> stores_;
  std::vector<std::unique_ptr<FaultStore>> faults_;
  std::unique_ptr<flush::HintedStores> reading_;  // of open_writer()
  std::unique_ptr<flush::LogWriter> writer_;
  std::vector<Appended> model_;
  std::atomic<AggregationNumber> committed_{0};
};

}  // namespace tlog::testing
