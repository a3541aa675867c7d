#include "tlog/session/core.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/base/crc32c.h"

namespace tlog::session {

Core::Core(Parts parts)
    : config(std::move(parts.config)),
      uuid(parts.uuid),
      records_max(parts.records_max),
      stores_are_local(parts.stores_are_local),
      journal(std::move(parts.journal)),
      loop(*parts.loop),
      workers(*parts.workers),
      clock(*parts.clock),
      logger(*parts.logger),
      storage_(std::move(parts.storage)) {
  settings.take(config.tlog, config.slave);
}

journal::Position Core::position_of(Sequence sequence) const {
  if (sequence < table_end()) return entry(std::max(sequence, table_first)).position;
  return journal->head();
}

journal::Position Core::arena_wanted_from() const {
  journal::Position wanted = journal->head();
  auto want = [&](Sequence next, bool blocked) {
    if (blocked || next >= table_end()) return;
    journal::Position position = position_of(next);
    // What the arena has lost already is read back from the files: no reason to wait for it.
    if (journal->in_arena(position) != nullptr) wanted = std::min(wanted, position);
  };
  want(next_seal, seal_blocked);
  want(next_apply, apply_blocked || apply_held);
  return wanted;
}

Result<Buffer> Core::read_back(const std::vector<journal::Entry>& entries) const {
  const journal::Position begin = entries.front().position;
  Buffer bytes(entries.back().end() - begin);
  TLOG_TRY(journal->read_back(begin, bytes.span()));
  for (const journal::Entry& entry : entries) {
    ConstByteSpan data{bytes.data() + (entry.data_position() - begin), entry.data_length};
    if (crc32c(data) != entry.data_crc) {
      return fail(Code::kCorruption,
                  fmt::format("read journal: {}: the record at position {} has changed on disk",
                              who(), entry.position));
    }
  }
  return bytes;
}

void Core::fail_for_good(const std::string& why) {
  {
    MutexLock lock(mutex());
    if (state == State::kFailed) return;
    state = State::kFailed;
    reason = why;
    room.notify_all();
  }
  durable.poison();
  stored.poison();
  received.poison();
  applied.poison();
  logger.error(
      fmt::format("event=failed vdisk={} reason=\"{}\" remedy=\"mend the cause, then restart\"",
                  config.name, why));
}

Overlay::Kind overlay_kind(Operation operation) {
  switch (operation) {
    case Operation::kWrite:
      return Overlay::Kind::kData;
    case Operation::kZero:
      return Overlay::Kind::kZero;
    case Operation::kDiscard:
      return Overlay::Kind::kHole;
    case Operation::kMark:
    case Operation::kFlush:
      break;
  }
  return Overlay::Kind::kNone;
}

std::string Core::who() const {
  return fmt::format("vdisk '{}'", config.name);
}

}  // namespace tlog::session
