// File: slave-sync/position_text.h
// A SyncPosition as it is kept on each server of a standby ("chain", docs/format.md): number, epoch
// and sequence in decimal digits, the hash in hex, separated by spaces. Threading: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "tlog/session/standby.h"

namespace tlog::standby {

std::string position_text(const session::SyncPosition& position);
// kCorruption says what is wrong.
Result<session::SyncPosition> parse_position(std::string_view text);
// For people: "sequence 120 (aggregation 7, epoch 2, hash 5f...)".
std::string describe(const session::SyncPosition& position);

}  // namespace tlog::standby
