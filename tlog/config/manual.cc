// The keys of tlogdisk.yml(5), from the property table.
#include <fmt/format.h>

#include "tlog/config/properties.h"

namespace tlog::config {
namespace {

std::string facts_of(const Property& property) {
  std::string facts = expected_of(property);
  if (property.required) facts += "; required";
  if (!property.default_note.empty()) {
    facts += fmt::format("; default: {}", property.default_note);
  } else if (!property.default_text.empty()) {
    facts += fmt::format("; default: C<{}>", property.default_text);
  }
  if (property.default_text.empty() && !property.example.empty() && property.type != Type::kNamed) {
    facts += fmt::format("; example: C<{}>", property.example);
  }
  if (property.reload == Reload::kLive) facts += "; may be changed while vdisks are served";
  facts.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(facts.front())));
  return facts;
}

// Back quotes of the table become POD's code.
std::string pod_of(std::string_view sentences) {
  std::string text;
  bool open = false;
  for (char c : sentences) {
    if (c != '`') {
      text += c;
      continue;
    }
    text += open ? ">" : "C<";
    open = !open;
  }
  return text;
}

void write_section(std::string& text, const Section& section, const std::string& prefix) {
  for (const Property& property : section.properties) {
    std::string key = prefix + std::string(property.key);
    text += fmt::format("=item B<{}>\n\n{}\n\n", key, pod_of(property.description));
    if (property.inherits) {
      text += fmt::format(
          "A mapping of keys to values; the keys are those of C<{}> above, and what is absent is "
          "taken from there.\n\n",
          property.key);
      continue;
    }
    text += facts_of(property) + ".\n\n";
    if (property.type == Type::kSection) write_section(text, *property.section, key + ".");
    if (property.type == Type::kNamed) write_section(text, *property.section, key + ".NAME.");
    if (property.type == Type::kSections) write_section(text, *property.section, key + "[].");
  }
}

}  // namespace

std::string manual_table() {
  std::string text = "=over 4\n\n";
  write_section(text, root_section(), "");
  return text + "=back\n";
}

}  // namespace tlog::config
