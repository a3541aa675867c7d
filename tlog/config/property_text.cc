#include <fmt/format.h>

#include "tlog/config/names.h"
#include "tlog/config/properties.h"

// What people read of a property: what it expects, and a value of it.
namespace tlog::config {

std::string expected_of(const Property& property) {
  switch (property.type) {
    case Type::kText:
      return "text on one line";
    case Type::kPath:
      return "a path";
    case Type::kAddress:
      return "\"host:port\", \"[ipv6]:port\" or \"unix:/path\"";
    case Type::kName:
      return "the name of a cluster";
    case Type::kSize: {
      std::string text = fmt::format("a size from {} to {}", format_size(property.minimum),
                                     format_size(property.maximum));
      if (property.power_of_two) return text + ", a power of two";
      if (property.multiple_of == 1) return text;
      return fmt::format("{}, a multiple of {} bytes", text, property.multiple_of);
    }
    case Type::kDuration:
      return fmt::format("a duration from {} to {}", format_duration_ns(property.minimum),
                         format_duration_ns(property.maximum));
    case Type::kInteger:
      return fmt::format("an integer from {} to {}", property.minimum, property.maximum);
    case Type::kBoolean:
      return "true or false";
    case Type::kChoice:
      return fmt::format("one of {}", alternatives(property.choices));
    case Type::kPaths:
      return "a list of paths";
    case Type::kNames:
      return "a list of names";
    case Type::kUrls:
      return "a list of \"http://host:port\" and \"https://host:port\"";
    case Type::kAddresses:
      return "a list of \"host:port\" and \"unix:/path\"";
    case Type::kSection:
      return "a mapping of keys to values";
    case Type::kNamed:
      return "a mapping of names to sections";
    case Type::kSections:
      return "a list of mappings";
  }
  return "a value";
}

std::string with_sample(const Property& property) {
  std::string expected = expected_of(property);
  std::string_view sample = property.sample.empty() ? property.example : property.sample;
  return sample.empty() ? expected : fmt::format("{}, for example {}", expected, sample);
}

std::string text_of(const Property& property, const Value& value) {
  switch (property.type) {
    case Type::kSize:
      return format_size(value.number);
    case Type::kDuration:
      return format_duration_ns(value.number);
    case Type::kInteger:
      return std::to_string(value.number);
    case Type::kBoolean:
      return value.number != 0 ? "true" : "false";
    case Type::kChoice:
      return std::string(property.choices[value.number]);
    case Type::kPaths:
    case Type::kNames:
    case Type::kUrls:
    case Type::kAddresses:
      return fmt::format("[{}]", fmt::join(value.list, ", "));
    default:
      return value.text.empty() ? "none" : value.text;
  }
}

}  // namespace tlog::config
