#include "slave-sync/position_text.h"

#include <fmt/format.h>

#include <charconv>

#include "tlog/base/hex.h"

namespace tlog::standby {
namespace {

bool take_number(std::string_view& text, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data() + text.size() || *end != ' ') return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return true;
}

}  // namespace

std::string position_text(const session::SyncPosition& position) {
  return fmt::format("{} {} {} {}", position.number, position.epoch, position.sequence,
                     position.hash.hex());
}

Result<session::SyncPosition> parse_position(std::string_view text) {
  const std::string_view whole = text;
  const auto wrong = [whole] {
    return fail(Code::kCorruption,
                fmt::format("'{}' is not a number, an epoch, a sequence and a hash", whole));
  };
  session::SyncPosition position;
  if (!take_number(text, position.number) || !take_number(text, position.epoch) ||
      !take_number(text, position.sequence)) {
    return wrong();
  }
  const std::optional<Hash256> hash = parse_hash(text);
  if (!hash) return wrong();
  position.hash = *hash;
  return position;
}

std::string describe(const session::SyncPosition& position) {
  return fmt::format("sequence {} (aggregation {}, epoch {}, hash {})", position.sequence,
                     position.number, position.epoch, position.hash.hex().substr(0, 16));
}

}  // namespace tlog::standby
