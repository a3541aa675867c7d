#include "server/client/batches.h"

#include <fmt/format.h>

#include <algorithm>

namespace tlog::client {

namespace {

std::uint64_t cost_of(const protocol::Batch& batch) {
  return batch.bytes.size() + batch.records.size() * sizeof(format::Record);
}

}  // namespace

SharedBatch Batches::kept(Sequence first) const {
  for (auto it = kept_.rbegin(); it != kept_.rend(); ++it) {
    if (first_of(**it) <= first && first <= last_of(**it)) return *it;
  }
  return nullptr;
}

void Batches::request(Sequence first, Done done) {
  if (SharedBatch batch = kept(first)) {
    parts_.loop->post(
        [life = std::weak_ptr<int>(life_), batch = std::move(batch), done = std::move(done)] {
          if (!life.expired()) done(batch);
        });
    return;
  }
  // What is on its way may have it: then it is not hashed twice.
  for (Flight& flight : flights_) {
    if (flight.first > first || first > flight.end) continue;
    flight.waiting.push_back({first, std::move(done)});
    return;
  }
  begin({first, std::move(done)});
}

void Batches::begin(Waiting waiting) {
  const Sequence first = waiting.first;
  Flight flight{.first = first, .end = parts_.source->end(), .waiting = {}};
  flight.waiting.push_back(std::move(waiting));
  flights_.push_back(std::move(flight));
  auto job = [this, gate = parts_.gate, source = parts_.source, loop = parts_.loop, first,
              bytes = parts_.batch_bytes, life = std::weak_ptr<int>(life_)] {
    UseGate::Use use(*gate);
    if (!use) return;
    // Made copyable: a task is.
    auto batch = std::make_shared<Result<SharedBatch>>(take(*source, first, bytes));
    loop->post([this, life, first, batch] {
      if (!life.expired()) landed(first, std::move(*batch));
    });
  };
  parts_.workers->submit(std::move(job));
}

Result<SharedBatch> Batches::take(RecordSource& source, Sequence first, std::uint64_t bytes) {
  TLOG_ASSIGN(std::optional<protocol::Batch> taken, source.take(first, ~Sequence{0}, bytes));
  if (!taken) return SharedBatch();
  if (taken->records.empty() || first_of(*taken) != first)
    return fail(
        Code::kCorruption,
        fmt::format("take: record {}: the source gave {}", first,
                    taken->records.empty() ? "no records"
                                           : fmt::format("others, from {} on", first_of(*taken))));
  protocol::fill_hashes(taken->records);
  return std::make_shared<const protocol::Batch>(std::move(*taken));
}

void Batches::landed(Sequence first, Result<SharedBatch> batch) {
  const auto flight = std::find_if(flights_.begin(), flights_.end(),
                                   [first](const Flight& f) { return f.first == first; });
  std::vector<Waiting> waiting = std::move(flight->waiting);
  flights_.erase(flight);
  if (batch && *batch) keep(*batch);
  const std::weak_ptr<int> life = life_;
  for (Waiting& one : waiting) {
    const bool has = batch && *batch && one.first <= last_of(**batch);
    if (one.first == first || has || !batch) {
      one.done(batch);
    } else {
      request(one.first, std::move(one.done));  // it lay behind what was taken
    }
    if (life.expired()) return;
  }
}

void Batches::keep(const SharedBatch& batch) {
  kept_.push_back(batch);
  kept_bytes_ += cost_of(*batch);
  while (kept_bytes_ > parts_.kept_bytes_max && kept_.size() > 1) {
    kept_bytes_ -= cost_of(*kept_.front());
    kept_.pop_front();
  }
}

}  // namespace tlog::client
