#include "tlog/session/refilling.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>

#include "tlog/session/laid_over.h"

namespace tlog::session {
namespace {

// How often the storage is asked whether it lacks something; that costs a lock.
constexpr auto kLookEvery = std::chrono::milliseconds(200);
constexpr std::uint64_t kStoreWaitNs = 1'000'000'000;

}  // namespace

void Refilling::start() {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "tlog-refill");
}

void Refilling::ask_to_stop() {
  MutexLock lock(mutex_);
  stop_ = true;
  changed_.notify_all();
}

void Refilling::stop() {
  ask_to_stop();
  if (thread_.joinable()) thread_.join();
}

bool Refilling::stopping() {
  MutexLock lock(mutex_);
  return stop_;
}

void Refilling::run() {
  std::string noted;
  while (!stopping()) {
    storage_ = core_.storage();
    for (const blocks::Lacking& part : storage_->lacking()) {
      Status done = refill(part);
      if (done) noted.clear();
      if (done || stopping() || done.error().message() == noted) continue;
      noted = done.error().message();
      core_.logger.warning(fmt::format(
          "event=refill_failed vdisk={} store=\"{}\" reason=\"{}\" next=\"tried again\"",
          core_.config.name, part.name, noted));
    }
    storage_.reset();
    MutexLock lock(mutex_);
    if (!stop_) changed_.wait_until(mutex_, std::chrono::steady_clock::now() + kLookEvery);
  }
}

Status Refilling::refill(const blocks::Lacking& part) {
  const std::uint64_t began = core_.clock.monotonic_ns();
  if (part.has < part.wanted) {
    TLOG_TRY(read_log(part));
  } else {
    TLOG_TRY(storage_->begin_refill(part));
  }
  core_.logger.info(fmt::format("event=refilled vdisk={} store=\"{}\" from={} to={} ms={}",
                                core_.config.name, part.name, part.has, part.wanted,
                                (core_.clock.monotonic_ns() - began) / 1'000'000));
  return {};
}

Status Refilling::read_log(const blocks::Lacking& part) {
  {
    MutexLock lock(core_.mutex());
    core_.forced = std::max(core_.forced, part.wanted);
    core_.work_changed();
  }
  if (core_.stored.wait(part.wanted, kStoreWaitNs) != Watermark::Outcome::kReached) {
    return fail(Code::kUnavailable,
                fmt::format("refill: {}: sequence {} is not stored yet", part.name, part.wanted));
  }
  walk::LogReader::Parts parts{
      .vdisk = core_.config.name,
      .stores = stores_,
      .sealer = &sealer_,
      .workers = &core_.workers,
      .logger = &core_.logger,
      .beside_writer = true,
      .found_bad = [this](AggregationNumber number,
                          const auto& shards) { log_.mend(number, shards); },
      .stopping = [this] { return stopping(); }};
  TLOG_ASSIGN(auto reader, walk::LogReader::open(parts));
  walk::WalkOptions from;
  TLOG_ASSIGN(from.first, reader->find_sequence(part.has + 1));
  TLOG_TRY(storage_->begin_refill(part));
  Sequence reached = part.has;
  Status walked = reader->walk(from, [&](walk::Visited& visited) -> Result<bool> {
    TLOG_TRY(apply(part, visited, reached));
    return reached < part.wanted;
  });
  if (!walked) return walked;
  if (reached >= part.wanted) return {};
  return fail(Code::kUnavailable,
              fmt::format("refill: {}: the log ends at sequence {}, the server needs it up to {}; "
                          "bring back the stores that have the rest",
                          part.name, reached, part.wanted));
}

// Laid over each other first, as applying does it: the newest bytes of each range.
Status Refilling::apply(const blocks::Lacking& part, const walk::Visited& visited,
                        Sequence& reached) {
  LaidOver laid_over;
  blocks::RefillStep step{.server = part.server, .changes = {}, .from = reached, .upto = reached};
  for (const format::Record& record : visited.opened.aggregation.records) {
    if (record.sequence <= reached || record.sequence > part.wanted) continue;
    step.upto = record.sequence;
    laid_over.add(record);
  }
  step.changes = laid_over.changes();
  TLOG_TRY(storage_->refill(step));
  reached = step.upto;
  return {};
}

}  // namespace tlog::session
