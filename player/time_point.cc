#include "player/time_point.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <charconv>
#include <ctime>
#include <optional>

namespace tlog::player {

namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;

Error not_a_time(std::string_view text, std::string_view reason) {
  return Error(Code::kInvalidArgument,
               fmt::format("time: '{}': {}; expected RFC 3339 (2026-11-21T10:00:00Z, with fraction "
                           "or offset), local time ('2026-11-21 10:00:00'), 'now', or '5m ago'",
                           text, reason));
}

// Reads a text from left to right; every call moves on only when it matches.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  bool take(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take_any(std::string_view wanted) {
    if (rest_.empty() || wanted.find(rest_.front()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  void skip_spaces() {
    while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
  }
  // Exactly `count` digits.
  std::optional<int> digits(std::size_t count) {
    if (rest_.size() < count) return std::nullopt;
    int value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') return std::nullopt;
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(count);
    return value;
  }
  std::string_view take_while(int (*accept)(int)) {
    std::size_t length = 0;
    while (length < rest_.size() && accept(static_cast<unsigned char>(rest_[length])) != 0) {
      ++length;
    }
    std::string_view taken = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return taken;
  }

 private:
  std::string_view rest_;
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) {
    text.remove_prefix(1);
  }
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) {
    text.remove_suffix(1);
  }
  return text;
}

std::optional<std::uint64_t> unit_ns(std::string_view unit) {
  struct Unit {
    std::string_view name;
    std::uint64_t ns;
  };
  static constexpr std::uint64_t kMinute = 60 * kSecondNs, kHour = 60 * kMinute;
  static constexpr std::uint64_t kDay = 24 * kHour;
  static constexpr Unit kUnits[] = {
      {"ms", kSecondNs / 1000},
      {"s", kSecondNs},
      {"sec", kSecondNs},
      {"second", kSecondNs},
      {"seconds", kSecondNs},
      {"m", kMinute},
      {"min", kMinute},
      {"minute", kMinute},
      {"minutes", kMinute},
      {"h", kHour},
      {"hour", kHour},
      {"hours", kHour},
      {"d", kDay},
      {"day", kDay},
      {"days", kDay},
      {"w", 7 * kDay},
      {"week", 7 * kDay},
      {"weeks", 7 * kDay},
  };
  for (const Unit& known : kUnits) {
    if (known.name == unit) return known.ns;
  }
  return std::nullopt;
}

Result<TimestampNs> parse_relative(std::string_view text, std::string_view durations,
                                   TimestampNs now) {
  Cursor cursor(durations);
  std::uint64_t total = 0;
  bool any = false;
  for (cursor.skip_spaces(); !cursor.at_end(); cursor.skip_spaces()) {
    std::string_view number = cursor.take_while(std::isdigit);
    std::uint64_t count = 0;
    auto [end, status] = std::from_chars(number.data(), number.data() + number.size(), count);
    if (number.empty() || status != std::errc()) {
      return fail(not_a_time(text, "a number is missing or too large"));
    }
    cursor.skip_spaces();
    std::string_view unit = cursor.take_while(std::isalpha);
    auto each = unit_ns(unit);
    if (!each) return fail(not_a_time(text, fmt::format("unknown unit '{}'", unit)));
    std::uint64_t part = 0;
    if (__builtin_mul_overflow(count, *each, &part) ||
        __builtin_add_overflow(total, part, &total)) {
      return fail(not_a_time(text, "too long ago"));
    }
    any = true;
  }
  if (!any) return fail(not_a_time(text, "how long ago is missing"));
  if (total > now) return fail(not_a_time(text, "before 1970"));
  return now - total;
}

struct Fields {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  std::uint64_t fraction_ns = 0;
  enum class Zone { kLocal, kOffset } zone = Zone::kLocal;
  int offset_seconds = 0;
};

bool take_fraction(Cursor& cursor, Fields& fields) {
  if (!cursor.take('.')) return true;
  std::string_view digits = cursor.take_while(std::isdigit);
  if (digits.empty()) return false;
  std::uint64_t place = kSecondNs / 10;
  for (char digit : digits) {  // what is finer than a nanosecond is cut off
    fields.fraction_ns += static_cast<std::uint64_t>(digit - '0') * place;
    place /= 10;
  }
  return true;
}

bool take_zone(Cursor& cursor, Fields& fields) {
  if (cursor.at_end()) return true;
  if (cursor.take_any("Zz")) {
    fields.zone = Fields::Zone::kOffset;
    return cursor.at_end();
  }
  bool west = cursor.peek() == '-';
  if (!cursor.take_any("+-")) return false;
  auto hours = cursor.digits(2);
  if (!hours || !cursor.take(':')) return false;
  auto minutes = cursor.digits(2);
  if (!minutes || *hours > 23 || *minutes > 59) return false;
  fields.zone = Fields::Zone::kOffset;
  fields.offset_seconds = (*hours * 60 + *minutes) * 60 * (west ? -1 : 1);
  return cursor.at_end();
}

std::optional<Fields> parse_fields(std::string_view text) {
  Cursor cursor(text);
  Fields fields;
  auto take = [&](int& field, std::size_t digits) {
    auto value = cursor.digits(digits);
    if (value) field = *value;
    return value.has_value();
  };
  bool grammatical = take(fields.year, 4) && cursor.take('-') && take(fields.month, 2) &&
                     cursor.take('-') && take(fields.day, 2) && cursor.take_any("Tt ") &&
                     take(fields.hour, 2) && cursor.take(':') && take(fields.minute, 2) &&
                     cursor.take(':') && take(fields.second, 2) && take_fraction(cursor, fields) &&
                     take_zone(cursor, fields);
  if (!grammatical) return std::nullopt;
  return fields;
}

bool same_clock_face(const std::tm& a, const std::tm& b) {
  return a.tm_year == b.tm_year && a.tm_mon == b.tm_mon && a.tm_mday == b.tm_mday &&
         a.tm_hour == b.tm_hour && a.tm_min == b.tm_min && a.tm_sec == b.tm_sec;
}

Result<TimestampNs> to_timestamp(std::string_view text, const Fields& fields) {
  std::tm given{};
  given.tm_year = fields.year - 1900;
  given.tm_mon = fields.month - 1;
  given.tm_mday = fields.day;
  given.tm_hour = fields.hour;
  given.tm_min = fields.minute;
  given.tm_sec = fields.second;
  given.tm_isdst = -1;
  std::tm normal = given;
  bool local = fields.zone == Fields::Zone::kLocal;
  std::time_t seconds = local ? mktime(&normal) : timegm(&normal);
  // Both normalise what does not exist (February 30th, the hour that summer time skips).
  if (!same_clock_face(given, normal)) {
    return fail(not_a_time(text, local ? "there is no such local time" : "there is no such time"));
  }
  seconds -= fields.offset_seconds;
  if (seconds < 0) return fail(not_a_time(text, "before 1970"));
  std::uint64_t ns = 0;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(seconds), kSecondNs, &ns) ||
      __builtin_add_overflow(ns, fields.fraction_ns, &ns)) {
    return fail(not_a_time(text, "too far in the future"));
  }
  return ns;
}

}  // namespace

Result<TimestampNs> parse_time(std::string_view text, TimestampNs now) {
  std::string_view given = trimmed(text);
  if (given == "now") return now;
  constexpr std::string_view kAgo = "ago";
  if (given.ends_with(kAgo)) {
    return parse_relative(text, trimmed(given.substr(0, given.size() - kAgo.size())), now);
  }
  auto fields = parse_fields(given);
  if (!fields) return fail(not_a_time(text, "not understood"));
  return to_timestamp(text, *fields);
}

std::string format_time(TimestampNs time) {
  auto seconds = static_cast<std::time_t>(time / kSecondNs);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                  parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
  if (std::uint64_t fraction = time % kSecondNs; fraction != 0) {
    std::string digits = fmt::format("{:09}", fraction);
    digits.erase(digits.find_last_not_of('0') + 1);
    text += "." + digits;
  }
  return text + "Z";
}

}  // namespace tlog::player
