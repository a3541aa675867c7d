// The commented example, from the property table.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "tlog/config/properties.h"
#include "tlog/config/render.h"

namespace tlog::config {
namespace {

constexpr std::size_t kColumns = 100;

class Writer {
 public:
  explicit Writer(bool all_active) : all_active_(all_active) {}
  std::string take() { return std::move(text_); }

  void comment(unsigned indent, std::string_view sentences) {
    std::string prefix = std::string(indent, ' ') + "#";
    std::string line = prefix;
    while (!sentences.empty()) {
      std::size_t space = std::min(sentences.find(' '), sentences.size());
      if (line.size() + 1 + space > kColumns && line.size() > prefix.size()) {
        text_ += line + '\n';
        line = prefix;
      }
      line += fmt::format(" {}", sentences.substr(0, space));
      sentences.remove_prefix(std::min(space + 1, sentences.size()));
    }
    text_ += line + '\n';
  }
  // `#key: value` is a setting that is commented out, `# words` a comment.
  void setting(unsigned indent, bool active, std::string_view line, bool never = false) {
    const bool on = active || (all_active_ && !never && !excluded_);
    text_ += fmt::format("{}{}{}\n", std::string(indent, ' '), on ? "" : "#", line);
  }
  // Of a section that is excluded by what is not commented out.
  void exclude(bool excluded) { excluded_ = excluded; }
  void empty_line() { text_ += '\n'; }

 private:
  const bool all_active_;
  bool excluded_ = false;
  std::string text_;
};

// `inherited`: the section of this file whose value is the default; "" for none.
std::string note_of(const Property& property, std::string_view inherited) {
  if (property.required) return "Required.";
  if (!inherited.empty())
    return fmt::format("Default: {}.{} of this file.", inherited, property.key);
  if (!property.default_note.empty()) return fmt::format("Default: {}.", property.default_note);
  if (!property.default_text.empty()) return fmt::format("Default: {}.", property.default_text);
  return {};
}

std::string_view value_of(const Property& property) {
  return property.default_text.empty() ? property.example : property.default_text;
}

bool is_scalar(const Property& property) {
  return property.type != Type::kSection && property.type != Type::kNamed &&
         property.type != Type::kSections;
}

std::string comment_of(const Property& property, std::string_view inherited) {
  // The inherited keys are explained where the file's own section stands.
  std::string text = inherited.empty() ? std::string(property.description) : "";
  std::string range;
  switch (property.type) {
    case Type::kSize:
    case Type::kDuration:
    case Type::kInteger:
    case Type::kChoice:
    case Type::kBoolean:
      range = expected_of(property);
      break;
    default:
      break;
  }
  if (!range.empty() && inherited.empty()) {
    range.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(range.front())));
    text += fmt::format(" {}.", range);
  }
  std::string note = note_of(property, inherited);
  if (!note.empty()) text += (text.empty() ? "" : " ") + note;
  return text;
}

void write_section(Writer& writer, const Section& section, unsigned indent, bool active,
                   std::string_view inherited);

// A second cluster shows the other kind of store: a section cannot have both.
void write_servers_cluster(Writer& writer, const Property& servers, unsigned indent) {
  writer.comment(indent, servers.description);
  writer.setting(indent, false, "ardb:");
  writer.setting(indent + 2, false, "servers:");
  bool first = true;
  for (const Property& property : servers.section->properties) {
    writer.comment(indent + 6, comment_of(property, {}));
    writer.setting(indent + 4, false,
                   fmt::format("{} {}: {}", first ? "-" : " ", property.key, value_of(property)));
    first = false;
  }
}

void write_property(Writer& writer, const Property& property, unsigned indent, bool active,
                    std::string_view inherited) {
  bool own_active = active && !property.example_only;
  if (is_scalar(property)) {
    writer.comment(indent, comment_of(property, inherited));
    return writer.setting(indent, own_active,
                          fmt::format("{}: {}", property.key, value_of(property)),
                          property.alternative);
  }
  writer.exclude(property.alternative);
  writer.comment(indent, property.description);
  writer.setting(indent, own_active, fmt::format("{}:", property.key));
  if (property.type == Type::kNamed) {
    writer.setting(indent + 2, own_active, fmt::format("{}:", property.example));
    indent += 2;
  }
  write_section(writer, *property.section, indent + 2, own_active,
                property.inherits ? property.key : std::string_view());
  writer.exclude(false);
}

void write_section(Writer& writer, const Section& section, unsigned indent, bool active,
                   std::string_view inherited) {
  const Property* servers = nullptr;
  for (const Property& property : section.properties) {
    if (indent == 0) writer.empty_line();
    if (property.type == Type::kSections) {
      servers = &property;
    } else {
      write_property(writer, property, indent, active, inherited);
    }
  }
  if (servers != nullptr) write_servers_cluster(writer, *servers, indent - 2);
}

}  // namespace

std::string render_example(bool all_active) {
  Writer writer(all_active);
  writer.comment(0, root_section().description);
  writer.comment(
      0,
      "Sizes: a number with B, KiB, MiB, GiB, TiB, or K, M, G, T for the same powers of 1024. "
      "Durations: a number with ns, us, ms, s, m or h. Lines that begin with # and no space are "
      "settings that are commented out. See tlogdisk.yml(5); `tlogctl check-config FILE` checks a "
      "file.");
  write_section(writer, root_section(), 0, true, {});
  return writer.take();
}

std::string example_file() {
  return render_example(false);
}

}  // namespace tlog::config
