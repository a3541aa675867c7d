// Batches: the source's records as they are sent: hashed once, also when several servers are sent
// the same, and copied once. The newest are kept, since servers that keep up want the same ones.
//
// Threading: loop's thread; the source is asked, and hashes are made, on the workers.
// Memory: what is kept is at most `kept_bytes_max`; what is handed out belongs to who has it.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "server/client/log_client.h"
#include "tlog/base/use_gate.h"

namespace tlog::client {

using SharedBatch = std::shared_ptr<const protocol::Batch>;

inline Sequence first_of(const protocol::Batch& batch) {
  return batch.records.front().sequence;
}
inline Sequence last_of(const protocol::Batch& batch) {
  return batch.records.back().sequence;
}

class Batches {
 public:
  struct Parts {  // borrowed, but the gate, which is closed before the source goes
    RecordSource* source = nullptr;
    io::Loop* loop = nullptr;
    io::Workers* workers = nullptr;
    std::shared_ptr<UseGate> gate;
    std::uint64_t batch_bytes = 0;
    std::uint64_t kept_bytes_max = 0;
  };
  // Null: the source does not have the record any more.
  using Done = std::function<void(Result<SharedBatch>)>;

  explicit Batches(Parts parts) : parts_(std::move(parts)) {}

  Sequence end() const { return parts_.source->end(); }
  // A batch that has the record `first`, which is at most the source's end; perhaps not as its
  // first. `done` comes once, later; never when this is destroyed before.
  void request(Sequence first, Done done);

 private:
  struct Waiting {
    Sequence first = 0;
    Done done;
  };
  struct Flight {  // being taken from the source
    Sequence first = 0;
    Sequence end = 0;  // the source's, when it was begun
    std::vector<Waiting> waiting;
  };
  SharedBatch kept(Sequence first) const;
  void begin(Waiting waiting);
  void landed(Sequence first, Result<SharedBatch> batch);
  void keep(const SharedBatch& batch);
  static Result<SharedBatch> take(RecordSource& source, Sequence first, std::uint64_t bytes);

  const Parts parts_;
  std::deque<SharedBatch> kept_;  // the newest last
  std::uint64_t kept_bytes_ = 0;
  std::vector<Flight> flights_;
  std::shared_ptr<int> life_ = std::make_shared<int>();
};

}  // namespace tlog::client
