// Sizes and durations as people write them.
#include <fmt/format.h>

#include <array>
#include <charconv>

#include "tlog/config/config.h"

namespace tlog::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::uint64_t kTiB = 1024 * kGiB;
// The first of several names of one factor is the one that is printed; the largest factors come
// first.
constexpr std::array<Unit, 10> kSizeUnits = {{{"TiB", kTiB},
                                              {"GiB", kGiB},
                                              {"MiB", kMiB},
                                              {"KiB", kKiB},
                                              {"T", kTiB},
                                              {"G", kGiB},
                                              {"M", kMiB},
                                              {"K", kKiB},
                                              {"B", 1},
                                              {"", 1}}};
constexpr std::array<Unit, 6> kDurationUnits = {{{"h", 3'600'000'000'000},
                                                 {"m", 60'000'000'000},
                                                 {"s", 1'000'000'000},
                                                 {"ms", 1'000'000},
                                                 {"us", 1'000},
                                                 {"ns", 1}}};

Result<std::uint64_t> parse(std::string_view text, std::span<const Unit> units,
                            std::string_view what, std::string_view expected) {
  auto refuse = [&](std::string_view reason) {
    return fail(Code::kInvalidArgument, fmt::format("{}: {}, expected {}", what, reason, expected));
  };
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc::invalid_argument) return refuse("does not begin with a digit");
  if (error == std::errc::result_out_of_range) return refuse("too large");
  std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  if (unit.size() > 1 && unit.front() == ' ') unit.remove_prefix(1);
  for (const Unit& known : units) {
    if (known.name != unit) continue;
    std::uint64_t product = 0;
    if (__builtin_mul_overflow(number, known.factor, &product)) return refuse("too large");
    return product;
  }
  return refuse(unit.empty() ? "unit missing" : "unknown unit");
}

std::string format(std::uint64_t value, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.factor == 0) {
      return fmt::format("{}{}", value / unit.factor, unit.name);
    }
  }
  return fmt::format("0{}", units.back().name);
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  return parse(text, kSizeUnits, "size",
               "a number with B, KiB, MiB, GiB, TiB or K, M, G, T (powers of 1024)");
}

Result<std::uint64_t> parse_duration_ns(std::string_view text) {
  return parse(text, kDurationUnits, "duration", "a number with ns, us, ms, s, m or h");
}

std::string format_size(std::uint64_t bytes) {
  return format(bytes, kSizeUnits);
}

std::string format_duration_ns(std::uint64_t ns) {
  return format(ns, kDurationUnits);
}

}  // namespace tlog::config
