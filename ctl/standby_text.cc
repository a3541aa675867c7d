#include "ctl/standby_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "ctl/status_table.h"
#include "tlog/session/receipt.h"

namespace tlog::ctl {
namespace {

// Byte ranges that are listed for people; all are in the receipt's file.
constexpr std::size_t kRangesShown = 8;
constexpr std::size_t kHashDigitsShown = 12;

std::string position_text(const control::PositionReport& position) {
  return fmt::format("sequence {} (epoch {}, aggregation {}, hash {})", position.sequence,
                     position.epoch, position.aggregation,
                     position.hash.substr(0, kHashDigitsShown));
}

// Which cluster does what.
std::string roles_of(const control::StandbyReport& standby) {
  if (standby.state == "failed over" || standby.state == "off") {
    return fmt::format("the vdisk is on '{}', nothing follows it", standby.active);
  }
  if (standby.state == "failing over") {
    return fmt::format("from '{}' to '{}'{}{}", standby.active, standby.standby,
                       standby.phase.empty() ? "" : ", phase ", standby.phase);
  }
  return fmt::format("'{}' follows '{}', has {}", standby.standby, standby.active,
                     position_text(standby.synced));
}

std::string time_text(TimestampNs time) {
  return time == 0 ? "at an unknown time" : utc_text(time);
}

std::string lost_text(const session::LostRange& lost) {
  std::string text =
      fmt::format("  lost: sequences {} to {} ({} to {})", lost.first_sequence, lost.last_sequence,
                  time_text(lost.first_timestamp), time_text(lost.last_timestamp));
  if (!lost.bytes_known) text += ", their places are not known: that log cannot be read";
  const std::size_t shown = std::min(lost.bytes.size(), kRangesShown);
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& [offset, length] = lost.bytes[i];
    text += fmt::format("{} {}+{}", i == 0 ? ", bytes" : ",", offset, length);
  }
  if (shown < lost.bytes.size()) text += ", and more: the receipt's file has all";
  return text + "\n";
}

std::string unreadable(const Error& error) {
  return fmt::format("cannot be read: {}", error.message());
}

}  // namespace

std::string standby_rows(const control::StandbyReport& standby) {
  // Why it is off, or nothing follows, says all of it.
  const bool is_idle = standby.state == "off" || standby.state == "failed over";
  std::string value = standby.state;
  if (!is_idle || standby.reason.empty()) value += ": " + roles_of(standby);
  if (!standby.reason.empty()) value += (is_idle ? ": " : "; ") + standby.reason;
  std::string text = table_row("standby", value);
  if (!is_idle) {
    text += table_row(
        "lag", fmt::format("{} records, {}{}", standby.lag_records, seconds_text(standby.lag_ms),
                           standby.was_complete ? "" : "; not complete yet"));
  }
  if (standby.failing_ms != 0) {
    text += table_row("failing", fmt::format("'{}' for {}, failover after {}", standby.active,
                                             seconds_text(standby.failing_ms),
                                             standby.failover_after_ms == 0
                                                 ? "a command only"
                                                 : seconds_text(standby.failover_after_ms)));
  }
  if (standby.receipt.empty()) return text;
  const auto receipt = session::parse_receipt(standby.receipt);
  return text + table_row("receipt",
                          receipt ? fmt::format("{}: {}", utc_text(receipt->ended), receipt->text())
                                  : unreadable(receipt.error()));
}

std::string receipt_text(const std::string& text) {
  const auto receipt = session::parse_receipt(text);
  if (!receipt) return fmt::format("its receipt {}\n", unreadable(receipt.error()));
  std::string lines = receipt->text() + "\n";
  for (const session::LostRange& lost : receipt->lost) lines += lost_text(lost);
  lines += fmt::format("  held for {} ms\n", receipt->pause_ns / 1'000'000);
  if (!receipt->path.empty()) lines += fmt::format("  receipt: {}\n", receipt->path);
  return lines;
}

}  // namespace tlog::ctl
