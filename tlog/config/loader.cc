// Reads the YAML and walks it along the property table. The walk goes by the table, not by the
// document: what the table does not know is reported and not entered, so that neither depth nor
// aliases of the document matter.
#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <sstream>

#include "tlog/base/assert.h"
#include "tlog/base/limits.h"
#include "tlog/config/check.h"
#include "tlog/config/names.h"
#include "tlog/config/problems.h"
#include "tlog/config/properties.h"
#include "tlog/config/values.h"

namespace tlog::config {
namespace {

Position position_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<std::size_t>(mark.line) + 1, static_cast<std::size_t>(mark.column) + 1};
}

std::string_view kind_of(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return "a single value";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a mapping";
    default:
      return "nothing";
  }
}

// A child of a section: where its key stands and what it is.
struct Child {
  const Property* property = nullptr;
  Position position;
  YAML::Node node;
};

class Loader {
 public:
  Loader(Problems& problems, std::string directory)
      : problems_(problems), directory_(std::move(directory)) {}

  void load_section(const Section& section, const std::optional<YAML::Node>& node,
                    const std::string& trail, Target target, bool with_defaults);

 private:
  std::vector<Child> children(const Section& section, const YAML::Node& node,
                              const std::string& trail);
  void unknown_key(const Section& section, Position position, const std::string& trail,
                   std::string_view key);
  void check_alternatives(const Section& section, const std::vector<Child>& found,
                          const std::string& trail);
  void absent(const Property& property, const std::string& trail, Target target,
              bool with_defaults);
  void load_property(const Child& child, const std::string& trail, Target target);
  void load_scalar(const Child& child, const std::string& trail, Target target);
  void load_list(const Child& child, const std::string& trail, Target target);
  void load_named(const Child& child, const std::string& trail, Target target);
  void load_sections(const Child& child, const std::string& trail, Target target);
  bool is_kind(const Child& child, const std::string& trail, bool right);

  Problems& problems_;
  const std::string directory_;
};

void Loader::unknown_key(const Section& section, Position position, const std::string& trail,
                         std::string_view key) {
  std::vector<std::string_view> known;
  for (const Property& property : section.properties) known.push_back(property.key);
  std::string_view near = nearest(key, known);
  std::string hint = near.empty() ? "" : fmt::format("; did you mean '{}'?", near);
  std::string shown = key.size() > kNameMax ? in_quotes(key) : std::string(key);
  problems_.add(position, trail_of(trail, shown),
                fmt::format("unknown key{}{} expected {}", hint, hint.empty() ? "," : "",
                            alternatives(known)));
}

std::vector<Child> Loader::children(const Section& section, const YAML::Node& node,
                                    const std::string& trail) {
  std::vector<Child> found;
  std::set<std::string> seen;
  for (const auto& entry : node) {
    if (problems_.full()) break;
    Position position = position_of(entry.first.Mark());
    if (seen.size() == kConfigSectionKeysMax) {
      problems_.add(position, trail,
                    fmt::format("too many keys, expected at most {}", kConfigSectionKeysMax));
      break;
    }
    if (!entry.first.IsScalar()) {
      problems_.add(position, trail,
                    fmt::format("the key is {}, expected a word", kind_of(entry.first)));
      continue;
    }
    const std::string& key = entry.first.Scalar();
    if (!seen.insert(key).second) {
      problems_.add(position, trail_of(trail, key), "duplicate key, expected it once");
      continue;
    }
    const Property* property = section.find(key);
    if (property == nullptr) {
      unknown_key(section, position, trail, key);
      continue;
    }
    problems_.remember(trail_of(trail, key), position);
    found.push_back({property, position, entry.second});
  }
  return found;
}

void Loader::load_section(const Section& section, const std::optional<YAML::Node>& node,
                          const std::string& trail, Target target, bool with_defaults) {
  std::vector<Child> found;
  if (node) found = children(section, *node, trail);
  if (node) check_alternatives(section, found, trail);
  for (const Property& property : section.properties) {
    auto child = std::find_if(found.begin(), found.end(),
                              [&](const Child& c) { return c.property == &property; });
    if (child == found.end()) {
      absent(property, trail, target, with_defaults);
    } else {
      load_property(*child, trail_of(trail, property.key), target);
    }
  }
}

void Loader::check_alternatives(const Section& section, const std::vector<Child>& found,
                                const std::string& trail) {
  if (section.exactly_one_of.empty()) return;
  std::vector<std::string_view> there;
  for (const Child& child : found) {
    const auto& keys = section.exactly_one_of;
    if (std::find(keys.begin(), keys.end(), child.property->key) != keys.end())
      there.push_back(child.property->key);
  }
  if (there.size() == 1) return;
  std::string reason =
      there.empty() ? fmt::format("has neither {}", fmt::join(section.exactly_one_of, " nor "))
                    : fmt::format("has both {}", fmt::join(there, " and "));
  problems_.add(trail, fmt::format("{}, expected one of them", reason));
}

void Loader::absent(const Property& property, const std::string& trail, Target target,
                    bool with_defaults) {
  std::string own_trail = trail_of(trail, property.key);
  if (property.required) {
    return problems_.add(own_trail, fmt::format("missing, expected {}", with_sample(property)));
  }
  if (!with_defaults || property.inherits) return;
  if (property.type == Type::kSection) {
    load_section(*property.section, std::nullopt, own_trail, property.enter(target, {}), true);
    return;
  }
  if (property.default_text.empty()) return;
  auto value = read_value(property, {.text = property.default_text}, directory_);
  TLOG_ASSERT(value.has_value());
  property.set(target, std::move(*value));
}

bool Loader::is_kind(const Child& child, const std::string& trail, bool right) {
  if (right) return true;
  // An empty value has no place of its own.
  Position position = child.node.IsNull() ? child.position : position_of(child.node.Mark());
  problems_.add(
      position, trail,
      fmt::format("is {}, expected {}", kind_of(child.node), expected_of(*child.property)));
  return false;
}

void Loader::load_property(const Child& child, const std::string& trail, Target target) {
  switch (child.property->type) {
    case Type::kSection:
      if (!is_kind(child, trail, child.node.IsMap())) return;
      return load_section(*child.property->section, child.node, trail,
                          child.property->enter(target, {}), !child.property->inherits);
    case Type::kNamed:
      return load_named(child, trail, target);
    case Type::kSections:
      return load_sections(child, trail, target);
    case Type::kPaths:
    case Type::kNames:
    case Type::kUrls:
    case Type::kAddresses:
      return load_list(child, trail, target);
    default:
      return load_scalar(child, trail, target);
  }
}

void Loader::load_scalar(const Child& child, const std::string& trail, Target target) {
  if (!is_kind(child, trail, child.node.IsScalar())) return;
  Position position = position_of(child.node.Mark());
  problems_.remember(trail, position);
  auto value =
      read_value(*child.property, {child.node.Scalar(), child.node.Tag() == "!"}, directory_);
  if (!value) return problems_.add(position, trail, value.error().message());
  child.property->set(target, std::move(*value));
}

void Loader::load_list(const Child& child, const std::string& trail, Target target) {
  if (!is_kind(child, trail, child.node.IsSequence())) return;
  const Type type = child.property->type;
  const std::string_view element = type == Type::kPaths   ? "path"
                                   : type == Type::kNames ? "cluster's name"
                                   : type == Type::kUrls  ? "URL"
                                                          : "server's address";
  Value value;
  for (const auto& item : child.node) {
    std::string item_trail = trail_of(trail, std::to_string(value.list.size()));
    Position position = position_of(item.Mark());
    problems_.remember(item_trail, position);
    if (value.list.size() == kClusterStoresMax) {
      return problems_.add(position, trail,
                           fmt::format("too many, expected at most {}", kClusterStoresMax));
    }
    if (!item.IsScalar()) {
      problems_.add(position, item_trail,
                    fmt::format("is {}, expected a {}", kind_of(item), element));
      value.list.emplace_back();
      continue;
    }
    auto one = read_value(*child.property, {.text = item.Scalar()}, directory_);
    if (!one) problems_.add(position, item_trail, one.error().message());
    value.list.push_back(one ? std::move(one->text) : "");
  }
  if (value.list.empty()) {
    problems_.add(position_of(child.node.Mark()), trail,
                  fmt::format("empty, expected at least one {}", element));
  }
  child.property->set(target, std::move(value));
}

// A section for which the value of one of its keys stands. Never assigned: that would change the
// document.
YAML::Node whole_section(const Section& section, const YAML::Node& node) {
  if (section.short_for.empty() || !node.IsScalar()) return node;
  YAML::Node whole(YAML::NodeType::Map);
  whole[std::string(section.short_for)] = node;
  return whole;
}

void Loader::load_named(const Child& child, const std::string& trail, Target target) {
  if (!is_kind(child, trail, child.node.IsMap())) return;
  std::set<std::string> seen;
  for (const auto& entry : child.node) {
    if (problems_.full()) return;
    Position position = position_of(entry.first.Mark());
    if (seen.size() == child.property->maximum) {
      return problems_.add(position, trail,
                           fmt::format("too many, expected at most {}", child.property->maximum));
    }
    std::string name = entry.first.IsScalar() ? entry.first.Scalar() : std::string();
    if (!is_valid_name(name)) {
      problems_.add(
          position, trail,
          fmt::format(
              "{} is not a name, expected 1 to {} of A-Z a-z 0-9 . _ - and neither . nor - at "
              "the beginning",
              in_quotes(name), kNameMax));
      continue;
    }
    std::string own_trail = trail_of(trail, name);
    if (!seen.insert(name).second) {
      problems_.add(position, own_trail, "duplicate name, expected it once");
      continue;
    }
    problems_.remember(own_trail, position);
    const YAML::Node own = whole_section(*child.property->section, entry.second);
    if (!own.IsMap()) {
      problems_.add(
          entry.second.IsNull() ? position : position_of(entry.second.Mark()), own_trail,
          fmt::format("is {}, expected a mapping of keys to values", kind_of(entry.second)));
      continue;
    }
    load_section(*child.property->section, own, own_trail, child.property->enter(target, name),
                 true);
  }
  if (child.node.size() == 0) {
    problems_.add(position_of(child.node.Mark()), trail,
                  fmt::format("empty, expected {}", with_sample(*child.property)));
  }
}

void Loader::load_sections(const Child& child, const std::string& trail, Target target) {
  if (!is_kind(child, trail, child.node.IsSequence())) return;
  std::size_t count = 0;
  for (const auto& item : child.node) {
    std::string item_trail = trail_of(trail, std::to_string(count));
    Position position = position_of(item.Mark());
    problems_.remember(item_trail, position);
    if (count++ == kClusterStoresMax) {
      return problems_.add(position, trail,
                           fmt::format("too many, expected at most {}", kClusterStoresMax));
    }
    if (!item.IsMap()) {
      problems_.add(position, item_trail,
                    fmt::format("is {}, expected a mapping of keys to values", kind_of(item)));
      continue;
    }
    load_section(*child.property->section, item, item_trail, child.property->enter(target, {}),
                 true);
  }
  if (count == 0)
    problems_.add(position_of(child.node.Mark()), trail, "empty, expected at least one");
}

// yaml-cpp's words for tabs are hard to understand: the first line that begins with one, if any.
std::optional<Position> tab_in_indentation(const std::string& text) {
  std::size_t line = 1;
  for (std::size_t start = 0; start < text.size(); ++line) {
    std::size_t end = std::min(text.find('\n', start), text.size());
    std::size_t first = std::min(text.find_first_not_of(' ', start), end);
    if (first < end && text[first] == '\t') return Position{line, first - start + 1};
    start = end + 1;
  }
  return std::nullopt;
}

void broken_yaml(const YAML::Exception& error, const std::string& text, Problems& problems) {
  if (auto tab = tab_in_indentation(text)) {
    return problems.add(*tab, "yaml", "a tab in the indentation, expected spaces");
  }
  std::string reason = error.msg == "bad file" ? "nested too deeply" : error.msg;
  problems.add(position_of(error.mark), "yaml", fmt::format("{}, expected YAML 1.2", reason));
}

// Counts documents without building them. YAML::LoadAll() is no help: it never ends when the text
// begins with a character at which its parser makes no step forward, such as ','.
class DocumentCounter final : public YAML::EventHandler {
 public:
  std::vector<Position> starts;

  void OnDocumentStart(const YAML::Mark& mark) override { starts.push_back(position_of(mark)); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

bool is_one_document(const std::string& text, Problems& problems) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentCounter counter;
  if (!parser.HandleNextDocument(counter) || !parser.HandleNextDocument(counter)) return true;
  const Position& second = counter.starts[1];
  bool no_step = counter.starts[0].line == second.line && counter.starts[0].column == second.column;
  problems.add(second, "yaml",
               no_step ? "an unexpected character, expected a key"
                       : "a second document begins, expected only one");
  return false;
}

// False when there is nothing whose meaning could be checked.
bool load_document(const std::string& text, const std::string& directory, Problems& problems,
                   Config& config) {
  constexpr std::string_view kHelp =
      "expected clusters and vdisks; `tlogctl print-example` prints an example";
  if (!is_one_document(text, problems)) return false;
  YAML::Node document = YAML::Load(text);
  if (document.IsNull()) {
    problems.add(Position{}, "", fmt::format("empty, {}", kHelp));
    return false;
  }
  if (!document.IsMap()) {
    problems.add(position_of(document.Mark()), "",
                 fmt::format("is {}, {}", kind_of(document), kHelp));
    return false;
  }
  Loader loader(problems, directory);
  loader.load_section(root_section(), document, "", &config, true);
  return true;
}

}  // namespace

Checked check(const std::string& text, const std::string& path) {
  Checked checked;
  Problems problems;
  std::error_code ignored;  // a working directory that is gone leaves the path as it was given
  checked.config.path = absolute_path(std::filesystem::current_path(ignored).string(), path);
  if (text.size() > kConfigFileMax) {
    checked.problems.push_back(
        {.key = {}, .reason = fmt::format("longer than {}", format_size(kConfigFileMax))});
    return checked;
  }
  std::string directory = std::filesystem::path(checked.config.path).parent_path().string();
  try {
    if (load_document(text, directory, problems, checked.config))
      check_meaning(checked.config, problems);
  } catch (const YAML::Exception& error) {
    broken_yaml(error, text, problems);
  } catch (const std::exception& error) {
    problems.add(Position{}, "yaml", fmt::format("{}, expected YAML 1.2", error.what()));
  }
  checked.problems = problems.take();
  checked.positions = problems.positions();
  return checked;
}

}  // namespace tlog::config
