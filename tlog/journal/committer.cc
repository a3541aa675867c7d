#include "tlog/journal/committer.h"

#include "tlog/base/futex.h"

namespace tlog::journal {

Committer::Committer(Journal& journal, io::Loop& loop, Watermark& durable, Hooks hooks)
    : journal_(journal), loop_(loop), durable_(durable), hooks_(std::move(hooks)) {}

// The caller may hold the journal's lock, so this takes none: either whoever ends the batch in
// flight sees the flag, or we see that none is (both are sequentially consistent).
void Committer::request() {
  if (!requested_.exchange(true) && !busy_.load()) loop_.post([this] { run_on_ring(); });
}

// Takes everything that has been appended so far. False: all of it is durable.
bool Committer::begin() {
  requested_.store(false);
  MutexLock lock(journal_.mutex());
  batch_ = journal_.cut_batch();
  if (batch_.begin == batch_.end) return false;
  busy_.store(true);
  ++number_;
  last_ = batch_.last_sequence;
  return true;
}

bool Committer::wait(Sequence sequence) {
  while (durable_.value() < sequence) {
    Waiters* waiters = nullptr;
    std::uint32_t seen = 0;
    {
      MutexLock lock(mutex_);
      if (failed_) return false;
      if (busy_.load()) {
        waiters = &waiters_of(last_ >= sequence ? number_ : number_ + 1);
        seen = waiters->word.load();
        waiters->count.fetch_add(1);
      } else if (!begin()) {
        continue;  // the batch that had it has ended just now
      }
    }
    if (waiters == nullptr) {
      lead();
    } else {
      futex_wait(waiters->word, seen);
      waiters->count.fetch_sub(1);
    }
  }
  return true;
}

// Parts go one after the other: a later segment must not be durable before an earlier one, or
// recovery would see a hole.
void Committer::lead() {
  Status status;
  for (const Journal::Part& part : journal_.parts_of(batch_)) {
    status = part.file->write(part.file_offset, part.bytes);
    if (status) status = part.file->sync_data();
    if (!status) break;
  }
  finish(status);
}

void Committer::run_on_ring() {
  {
    MutexLock lock(mutex_);
    if (busy_.load() || failed_ || !begin()) return;
  }
  parts_ = journal_.parts_of(batch_);
  write_part(0);
}

void Committer::write_part(std::size_t index) {
  const Journal::Part& part = parts_[index];
  loop_.write_and_sync(*part.file, part.file_offset, std::span(&part.bytes, 1),
                       [this, index](Status status) {
                         if (status && index + 1 < parts_.size()) return write_part(index + 1);
                         finish(status);
                       });
}

void Committer::finish(const Status& status) {
  if (status) {
    {
      MutexLock lock(journal_.mutex());
      journal_.batch_durable(batch_);
    }
    durable_.advance(batch_.last_sequence);
  } else {
    hooks_.on_failure(status.error());
  }
  std::uint64_t number = 0;
  {
    MutexLock lock(mutex_);
    number = number_;
    failed_ = !status;
    busy_.store(false);
  }
  wake(waiters_of(number), kWakeAll);
  // One of those that came meanwhile leads the next batch, with all that they wait for.
  wake(waiters_of(number + 1), status ? 1 : kWakeAll);
  if (!status) return;
  if (requested_.load()) loop_.post([this] { run_on_ring(); });
  hooks_.on_commit();
}

void Committer::wake(Waiters& waiters, int threads) {
  waiters.word.fetch_add(1);
  if (waiters.count.load() != 0) futex_wake(waiters.word, threads);
}

}  // namespace tlog::journal
