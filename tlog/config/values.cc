#include "tlog/config/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <filesystem>
#include <optional>

#include "tlog/base/limits.h"
#include "tlog/config/names.h"

namespace tlog::config {
namespace {

constexpr std::size_t kUrlMax = 512;

// Why the text cannot be a value of its property; nullopt when it can.
using Reason = std::optional<std::string>;

tl::unexpected<Error> refuse(const Property& property, std::string_view reason) {
  return fail(Code::kInvalidArgument,
              fmt::format("{}, expected {}", reason, expected_of(property)));
}

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// A key pasted where its file's path belongs must not travel on into messages and logs.
bool looks_like_a_key(std::string_view text) {
  if (text.starts_with("tlogdisk-key-")) return true;
  return text.size() == 64 && std::all_of(text.begin(), text.end(),
                                          [](unsigned char c) { return std::isxdigit(c) != 0; });
}

Reason wrong_path(std::string_view text) {
  if (text.empty()) return "empty";
  if (has_control_characters(text)) return "has a control character in it";
  if (looks_like_a_key(text)) return "holds a key instead of the path of a key file";
  if (text.front() == '~') return fmt::format("{}: '~' has no meaning here", in_quotes(text));
  if (text.size() > kPathMax) return fmt::format("longer than {} bytes", kPathMax);
  return std::nullopt;
}

std::optional<unsigned> port_of(std::string_view text) {
  unsigned port = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || rest != text.data() + text.size() || port == 0 || port > 65535) {
    return std::nullopt;
  }
  return port;
}

// The messages do not repeat an address: people put passwords into them.
Reason wrong_address(std::string_view text) {
  if (has_control_characters(text) || text.find(' ') != std::string_view::npos)
    return "has a space in it";
  if (text.find("://") != std::string_view::npos) return "is a URL";
  if (text.find('@') != std::string_view::npos)
    return "has a user or password in it (see passwordFile)";
  std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return "has no port";
  if (!port_of(text.substr(colon + 1))) return "the port is not a number from 1 to 65535";
  std::string_view host = text.substr(0, colon);
  if (host.empty()) return "has no host";
  bool has_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (!has_brackets && host.find_first_of(":[]") != std::string_view::npos) {
    return "an IPv6 address stands in brackets";
  }
  return std::nullopt;
}

Result<Value> read_address(const Property& property, std::string_view text,
                           const std::string& directory) {
  constexpr std::string_view kUnix = "unix:";
  if (!text.starts_with(kUnix)) {
    if (Reason reason = wrong_address(text)) return refuse(property, *reason);
    return Value{.text = std::string(text)};
  }
  if (Reason reason = wrong_path(text.substr(kUnix.size()))) return refuse(property, *reason);
  std::string path = absolute_path(directory, text.substr(kUnix.size()));
  if (path.size() > kSocketPathMax) {
    return refuse(property, fmt::format("the path of a Unix socket with {} bytes (at most {})",
                                        path.size(), kSocketPathMax));
  }
  return Value{.text = std::string(kUnix) + path};
}

Result<Value> read_url(const Property& property, std::string_view text) {
  for (std::string_view scheme : {"http://", "https://"}) {
    if (!text.starts_with(scheme)) continue;
    if (text.size() > kUrlMax) return refuse(property, "too long");
    if (Reason reason = wrong_address(text.substr(scheme.size()))) return refuse(property, *reason);
    return Value{.text = std::string(text)};
  }
  return refuse(property, "begins with neither http:// nor https://");
}

Result<Value> within_range(const Property& property, std::uint64_t number, std::string_view text) {
  if (number < property.minimum) return refuse(property, fmt::format("too small: {}", text));
  if (number > property.maximum) return refuse(property, fmt::format("too large: {}", text));
  if (property.power_of_two && !std::has_single_bit(number)) {
    return refuse(property, fmt::format("not a power of two: {}", text));
  }
  if (number % property.multiple_of != 0) {
    return refuse(property,
                  fmt::format("not a multiple of {} bytes: {}", property.multiple_of, text));
  }
  return Value{.number = number};
}

Result<Value> read_number(const Property& property, std::string_view text) {
  if (property.type == Type::kInteger) {
    std::uint64_t number = 0;
    auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc::result_out_of_range)
      return refuse(property, fmt::format("too large: {}", text));
    if (error != std::errc() || rest != text.data() + text.size()) {
      return refuse(property, fmt::format("not a number: {}", in_quotes(text)));
    }
    return within_range(property, number, text);
  }
  auto parsed = property.type == Type::kSize ? parse_size(text) : parse_duration_ns(text);
  if (!parsed)
    return fail(Code::kInvalidArgument,
                fmt::format("{}: {}", in_quotes(text), parsed.error().message()));
  return within_range(property, *parsed, text);
}

Result<Value> read_choice(const Property& property, std::string_view text) {
  auto found = std::find(property.choices.begin(), property.choices.end(), text);
  if (found == property.choices.end())
    return refuse(property, fmt::format("unknown: {}", in_quotes(text)));
  return Value{.number = static_cast<std::uint64_t>(found - property.choices.begin())};
}

}  // namespace

Result<Value> read_value(const Property& property, Scalar scalar, const std::string& directory) {
  std::string_view text = scalar.text;
  switch (property.type) {
    case Type::kText:
      if (text.size() > kDescriptionMax) {
        return refuse(property, fmt::format("longer than {} bytes", kDescriptionMax));
      }
      if (has_control_characters(text)) return refuse(property, "has a control character in it");
      return Value{.text = std::string(text)};
    case Type::kPath:
    case Type::kPaths:
      if (Reason reason = wrong_path(text)) {
        return fail(Code::kInvalidArgument, fmt::format("{}, expected a path", *reason));
      }
      return Value{.text = absolute_path(directory, text)};
    case Type::kAddress:
    case Type::kAddresses:
      return read_address(property, text, directory);
    case Type::kUrls:
      return read_url(property, text);
    case Type::kName:
    case Type::kNames:
      if (!is_valid_name(text)) {
        return refuse(property, fmt::format("{} is not a name", in_quotes(text)));
      }
      return Value{.text = std::string(text)};
    case Type::kSize:
    case Type::kDuration:
    case Type::kInteger:
      return read_number(property, text);
    case Type::kBoolean:
      if (scalar.is_quoted || (text != "true" && text != "false")) {
        return refuse(property, fmt::format("not a truth value: {}", in_quotes(text)));
      }
      return Value{.number = text == "true"};
    case Type::kChoice:
      return read_choice(property, text);
    case Type::kSection:
    case Type::kNamed:
    case Type::kSections:
      break;
  }
  return refuse(property, fmt::format("a single value: {}", in_quotes(text)));
}

std::string absolute_path(const std::string& directory, std::string_view path) {
  std::filesystem::path whole = (std::filesystem::path(directory) / path).lexically_normal();
  std::string text = whole.string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

}  // namespace tlog::config
