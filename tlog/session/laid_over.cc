#include "tlog/session/laid_over.h"

#include "tlog/session/core.h"

namespace tlog::session {

void LaidOver::add(const format::Record& record) {
  const Overlay::Kind kind = overlay_kind(record.operation);
  if (kind == Overlay::Kind::kNone) return;
  overlay_.insert(record.offset, record.size, kind,
                  reinterpret_cast<std::uintptr_t>(record.data.data()), record.sequence);
}

std::vector<blocks::RefillStep::Change> LaidOver::changes() const {
  std::vector<blocks::RefillStep::Change> changes;
  for (const Overlay::Piece& piece : overlay_.all()) {
    const bool is_data = piece.kind == Overlay::Kind::kData;
    changes.push_back(
        {.offset = piece.offset,
         .length = piece.length,
         .bytes = is_data ? reinterpret_cast<const std::byte*>(piece.position) : nullptr});
  }
  return changes;
}

}  // namespace tlog::session
