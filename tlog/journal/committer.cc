#include "tlog/journal/committer.h"

namespace tlog::journal {

Committer::Committer(Journal& journal, io::Loop& loop, Hooks hooks)
    : journal_(journal), loop_(loop), hooks_(std::move(hooks)) {}

void Committer::request() {
  // While a batch is in flight its completion looks at requested_, so no wake-up is needed: either
  // it sees the flag, or we see that it is not busy any more (both are sequentially consistent).
  if (!requested_.exchange(true) && !busy_.load()) loop_.post([this] { run(); });
}

void Committer::run() {
  if (busy_.load() || failed_) return;
  busy_.store(true);
  requested_.store(false);
  {
    MutexLock lock(journal_.mutex());
    batch_ = journal_.cut_batch();
  }
  if (batch_.begin == batch_.end) {
    busy_.store(false);
    if (requested_.load()) loop_.post([this] { run(); });
    return;
  }
  parts_ = journal_.parts_of(batch_);
  write_part(0);
}

// Parts go one after the other: a later segment must not be durable before an earlier one, or
// recovery would see a hole.
void Committer::write_part(std::size_t index) {
  const Journal::Part& part = parts_[index];
  loop_.write_and_sync(*part.file, part.file_offset, std::span(&part.bytes, 1),
                       [this, index](Status status) {
                         if (status && index + 1 < parts_.size()) return write_part(index + 1);
                         finish(status);
                       });
}

void Committer::finish(const Status& status) {
  if (!status) {
    failed_ = true;
    hooks_.on_failure(status.error());
    busy_.store(false);
    return;
  }
  {
    MutexLock lock(journal_.mutex());
    journal_.batch_durable(batch_);
  }
  hooks_.on_durable(batch_.last_sequence);
  busy_.store(false);
  if (requested_.load()) run();
}

}  // namespace tlog::journal
