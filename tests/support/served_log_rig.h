// File: tests/support/served_log_rig.h
// ServedLogRig: what a ServedLog needs, a client that sends records made from their sequences, and
// whoever listens. Stores are of memory, kept across openings, or redis servers. Threading: the
// test's thread, but for what the log tells.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/log/served_log.h"
#include "server/log/read_only_log.h"
#include "tests/support/log_rig.h"
#include "tlog/store/memory_store.h"
#include "tlog/store/stores.h"

namespace tlog::testing {

constexpr std::uint64_t kBudgetNs = 20'000'000'000;  // for closing a log

// The records of one log, the same whenever they are asked for: what a client resends is what it
// has sent.
class RecordMaker {
 public:
  explicit RecordMaker(std::size_t data_bytes_max = 600) : data_bytes_max_(data_bytes_max) {}
  // Records first .. first + count - 1, with their hashes.
  protocol::Batch batch(Sequence first, std::uint64_t count) const;
  // What is wrong with it, "" when nothing is.
  std::string difference(const format::Record& found) const;

 private:
  std::uint64_t data_bytes(Sequence sequence) const { return 1 + sequence * 37 % data_bytes_max_; }
  static format::Record head(Sequence sequence);

  const std::size_t data_bytes_max_;
};

// What a log has told. Threading: any.
struct Heard {
  std::atomic<Sequence> received{0};
  std::atomic<Sequence> stored{0};
  std::atomic<unsigned> rooms{0};
  std::atomic<unsigned> failures{0};
  std::atomic<bool> backwards{false};  // it told less than before
  std::optional<Error> error() const {
    MutexLock lock(mutex);
    return last_error;
  }
  mutable Mutex mutex;
  std::optional<Error> last_error GUARDED_BY(mutex);
};

class ServedLogRig {
 public:
  static constexpr unsigned kStores = 6;
  // `servers`: addresses of redis servers instead of memory.
  explicit ServedLogRig(std::vector<std::string> servers = {}, std::size_t data_bytes_max = 600);
  ~ServedLogRig();

  // As the client of this journal wants it; a test changes what it is about.
  server::ServedLog::Parts parts(Heard& heard, char journal = 'a');
  std::vector<std::unique_ptr<store::Store>> stores();
  std::unique_ptr<server::ServedLog> open(Heard& heard, char journal = 'a');  // EXPECTs it
  server::ReadOnlyLog::Parts reader_parts();

  const RecordMaker& records() const { return maker_; }
  store::MemoryStoreContents& contents(unsigned store) { return *contents_[store]; }
  KeepingLogger& logger() { return logger_; }
  SeededRandom& random() { return random_; }
  io::Loop& loop() { return *loop_; }
  io::Workers& workers() { return workers_; }
  seal::MasterKey new_key();
  static Uuid journal(char name);

  // EXPECTs that the stored log is dense, each record as it was sent, up to `last`.
  void expect_log(Sequence last);
  // Shards that the memory stores lack of the aggregations in the log.
  std::uint64_t lacking_shards();

 private:
  SeededRandom random_{1};
  KeepingLogger logger_;
  const RecordMaker maker_;
  const std::vector<std::string> servers_;
  std::vector<std::shared_ptr<store::MemoryStoreContents>> contents_;
  std::unique_ptr<io::Loop> loop_;
  io::Workers workers_;
  std::shared_ptr<const seal::MasterKey> key_;
};

// Within so long that only something broken takes longer.
bool soon(const std::function<bool()>& condition);

}  // namespace tlog::testing
