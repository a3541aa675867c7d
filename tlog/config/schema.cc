// The JSON schema, from the property table: for editors, and for checks where no tlogctl is at
// hand. It says what one value may be; only the loader knows what fits together.
#include <fmt/format.h>

#include <algorithm>

#include "tlog/config/properties.h"

namespace tlog::config {
namespace {

// The few kinds of JSON that a schema needs, indented by two.
class JsonWriter {
 public:
  void open(char bracket) {
    text_ += bracket;
    indent_ += 2;
    first_ = true;
  }
  void close(char bracket) {
    indent_ -= 2;
    if (!first_) new_line();
    text_ += bracket;
    first_ = false;
  }
  void item() {
    if (!first_) text_ += ',';
    new_line();
    first_ = false;
  }
  void key(std::string_view name) {
    item();
    text_ += quote(name) + ": ";
  }
  void field(std::string_view name, std::string_view value) {
    key(name);
    text_ += quote(value);
  }
  void raw_field(std::string_view name, std::string_view json) {
    key(name);
    text_ += json;
  }
  void raw(std::string_view json) { text_ += json; }
  static std::string quote(std::string_view value) {
    std::string text = "\"";
    for (char c : value) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    return text + '"';
  }
  std::string take() { return std::move(text_) + '\n'; }

 private:
  void new_line() { text_ += '\n' + std::string(indent_, ' '); }

  std::string text_;
  std::size_t indent_ = 0;
  bool first_ = true;
};

constexpr std::string_view kNamePattern = "^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$";
constexpr std::string_view kAddressPattern = "^(unix:.+|[^/@ ]+:[0-9]{1,5})$";
constexpr std::string_view kPathPattern = "^[^~]";
constexpr std::string_view kUrlPattern = "^https?://[^/@ ]+:[0-9]{1,5}$";
constexpr std::string_view kSizePattern = "^[0-9]+ ?(B|KiB|MiB|GiB|TiB|K|M|G|T)?$";
constexpr std::string_view kDurationPattern = "^[0-9]+ ?(ns|us|ms|s|m|h)$";

void write_section(JsonWriter& json, const Section& section, std::string_view description,
                   bool with_defaults);
void write_value(JsonWriter& json, const Property& property);

// The pattern's words and the number that YAML makes of bare digits.
void write_size(JsonWriter& json, const Property& property) {
  json.key("anyOf");
  json.open('[');
  json.item();
  json.open('{');
  json.field("type", "integer");
  json.raw_field("minimum", std::to_string(property.minimum));
  json.raw_field("maximum", std::to_string(property.maximum));
  if (property.multiple_of > 1) json.raw_field("multipleOf", std::to_string(property.multiple_of));
  json.close('}');
  json.item();
  json.open('{');
  json.field("type", "string");
  json.field("pattern", kSizePattern);
  json.close('}');
  json.close(']');
}

void write_string(JsonWriter& json, std::string_view pattern) {
  json.field("type", "string");
  if (!pattern.empty()) json.field("pattern", pattern);
}

void write_choice(JsonWriter& json, const Property& property) {
  json.key("enum");
  json.open('[');
  for (std::string_view choice : property.choices) {
    json.item();
    json.raw(JsonWriter::quote(choice));
  }
  json.close(']');
}

void write_list(JsonWriter& json, const Property& property) {
  json.field("type", "array");
  json.raw_field("minItems", "1");
  json.key("items");
  if (property.section != nullptr)
    return write_section(json, *property.section, property.section->description, true);
  json.open('{');
  switch (property.type) {
    case Type::kNames:
      write_string(json, kNamePattern);
      break;
    case Type::kUrls:
      write_string(json, kUrlPattern);
      break;
    case Type::kAddresses:
      write_string(json, kAddressPattern);
      break;
    default:
      write_string(json, kPathPattern);
  }
  json.close('}');
}

// The value of one key may stand in the place of the whole section.
void write_section_or_short(JsonWriter& json, const Section& section) {
  json.open('{');
  json.key("anyOf");
  json.open('[');
  json.item();
  write_section(json, section, section.description, true);
  json.item();
  write_value(json, *section.find(section.short_for));
  json.close(']');
  json.close('}');
}

void write_named(JsonWriter& json, const Property& property) {
  json.field("type", "object");
  json.raw_field("minProperties", "1");
  json.raw_field("maxProperties", std::to_string(property.maximum));
  json.raw_field("additionalProperties", "false");
  json.key("patternProperties");
  json.open('{');
  json.key(kNamePattern);
  if (property.section->short_for.empty()) {
    write_section(json, *property.section, property.section->description, true);
  } else {
    write_section_or_short(json, *property.section);
  }
  json.close('}');
}

void write_type(JsonWriter& json, const Property& property) {
  switch (property.type) {
    case Type::kText:
      return json.raw_field("type", "[\"string\", \"integer\"]");
    case Type::kPath:
      return write_string(json, kPathPattern);
    case Type::kAddress:
      return write_string(json, kAddressPattern);
    case Type::kName:
      return write_string(json, kNamePattern);
    case Type::kSize:
      return write_size(json, property);
    case Type::kDuration:
      return write_string(json, kDurationPattern);
    case Type::kInteger:
      json.field("type", "integer");
      json.raw_field("minimum", std::to_string(property.minimum));
      return json.raw_field("maximum", std::to_string(property.maximum));
    case Type::kBoolean:
      return json.field("type", "boolean");
    case Type::kChoice:
      return write_choice(json, property);
    case Type::kPaths:
    case Type::kNames:
    case Type::kUrls:
    case Type::kAddresses:
    case Type::kSections:
      return write_list(json, property);
    case Type::kNamed:
      return write_named(json, property);
    case Type::kSection:
      break;
  }
}

void write_value(JsonWriter& json, const Property& property) {
  json.open('{');
  json.field("description", property.description);
  write_type(json, property);
  json.close('}');
}

void write_default(JsonWriter& json, const Property& property) {
  if (property.default_text.empty()) return;
  bool is_literal = property.type == Type::kInteger || property.type == Type::kBoolean ||
                    (property.type == Type::kSize && property.default_text.find_first_not_of(
                                                         "0123456789") == std::string_view::npos);
  json.raw_field("default", is_literal ? std::string(property.default_text)
                                       : JsonWriter::quote(property.default_text));
}

// `with_defaults` is false where absent keys are inherited instead.
void write_property(JsonWriter& json, const Property& property, bool with_defaults) {
  json.key(property.key);
  if (property.type == Type::kSection) {
    return write_section(json, *property.section, property.description, !property.inherits);
  }
  json.open('{');
  json.field("description", property.description);
  write_type(json, property);
  if (with_defaults) write_default(json, property);
  json.close('}');
}

void write_alternatives(JsonWriter& json, std::string_view word,
                        const std::vector<std::string_view>& keys) {
  std::string choices;
  for (std::string_view key : keys) {
    choices += fmt::format("{}{{\"required\": [{}]}}", choices.empty() ? "" : ", ",
                           JsonWriter::quote(key));
  }
  if (!choices.empty()) json.raw_field(word, "[" + choices + "]");
}

void write_section_body(JsonWriter& json, const Section& section, std::string_view description,
                        bool with_defaults) {
  json.field("description", description);
  json.field("type", "object");
  json.raw_field("additionalProperties", "false");
  std::string required;
  for (const Property& property : section.properties) {
    if (!property.required) continue;
    required += (required.empty() ? "" : ", ") + JsonWriter::quote(property.key);
  }
  if (!required.empty()) json.raw_field("required", "[" + required + "]");
  write_alternatives(json, "oneOf", section.exactly_one_of);
  write_alternatives(json, "anyOf", section.at_least_one_of);
  json.key("properties");
  json.open('{');
  for (const Property& property : section.properties) write_property(json, property, with_defaults);
  json.close('}');
}

void write_section(JsonWriter& json, const Section& section, std::string_view description,
                   bool with_defaults) {
  json.open('{');
  write_section_body(json, section, description, with_defaults);
  json.close('}');
}

}  // namespace

std::string json_schema() {
  JsonWriter json;
  json.open('{');
  json.field("$schema", "https://json-schema.org/draft/2020-12/schema");
  json.field("title", "tlogdisk.yml");
  write_section_body(json, root_section(), root_section().description, true);
  json.close('}');
  return json.take();
}

}  // namespace tlog::config
