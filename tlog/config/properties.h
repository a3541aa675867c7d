// File: tlog/config/properties.h
// The property table: the only place that knows the keys of the configuration file. The loader, the
// JSON schema, the commented example and the manual page's table are made from it. Threading:
// constant after the first call.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tlog/config/config.h"

namespace tlog::config {

enum class Type {
  kText,      // printable, on one line
  kPath,      // relative to the file
  kAddress,   // host:port or unix:/path
  kName,      // of a cluster
  kSize,      // bytes
  kDuration,  // nanoseconds
  kInteger,
  kBoolean,
  kChoice,
  kPaths,      // a list of paths
  kNames,      // a list of those of kName
  kUrls,       // a list of http:// and https:// addresses
  kAddresses,  // a list of those of kAddress
  kSection,    // a mapping with keys of its own
  kNamed,      // a mapping from names to sections
  kSections,   // a list of sections
};

// A value of the file, checked against its property.
struct Value {
  std::string text = {};     // kText, kPath (absolute), kAddress, kName
  std::uint64_t number = 0;  // kSize, kDuration, kInteger; 0 or 1 of kBoolean; index of kChoice
  std::vector<std::string> list = {};  // kPaths, kNames, kUrls, kAddresses
  friend bool operator==(const Value&, const Value&) = default;
};

// What a section's keys are written into.
using Target = std::variant<Config*, Journal*, Cluster*, Server*, Tlog*, ServerTls*, LagLimit*,
                            SlaveStorage*, Coordination*, Vdisk*, Repo*, Log*, Cas*, CasPublish*>;

struct Section;

// Writes and reads one member of a section's struct.
struct Access {
  void (*write)(Target, Value&&) = nullptr;
  Value (*read)(Target) = nullptr;
  void operator()(Target target, Value&& value) const { write(target, std::move(value)); }
};

// What becomes of another value while vdisks are served. What nobody has thought of waits for a
// restart.
enum class Reload {
  kRestart,
  kLive,   // it is taken over at once
  kNever,  // neither then nor later: the vdisk was created with it
};

struct Property {
  std::string_view key = {};
  Type type = Type::kText;
  std::string_view description = {};   // sentences
  std::string_view default_text = {};  // as it stands in a file; empty: none
  std::string_view default_note = {};  // where the default is not one text: "the only cluster"
  std::string_view example = {};       // as it stands in a file, where there is no default
  std::string_view sample =
      {};  // for the message that it is missing, when `example` does not say enough
  bool required = false;
  bool inherits = false;      // kSection: absent keys keep what the target has already
  bool example_only = false;  // commented out in the example file
  bool alternative = false;   // excluded by what is not commented out there
  std::uint64_t minimum = 0;
  std::uint64_t maximum = 0;
  std::uint64_t multiple_of = 1;
  bool power_of_two = false;
  std::vector<std::string_view> choices = {};
  const Section* section = nullptr;
  Reload reload = Reload::kRestart;

  Access set = {};
  // kSection, kNamed (with the name), kSections: the target of the section that begins.
  Target (*enter)(Target, std::string name) = nullptr;
};

struct Section {
  std::string_view description;
  std::vector<Property> properties;  // in the order in which they are loaded and shown
  std::vector<std::string_view> exactly_one_of =
      {};  // keys that exclude each other, one of which must be there
  std::vector<std::string_view> at_least_one_of = {};
  // Of the sections of a kNamed: the key whose value may stand in the place of the whole section.
  std::string_view short_for = {};

  const Property* find(std::string_view key) const;
};

const Section& root_section();

// "a size from 8MiB to 16TiB, a multiple of 4KiB", "true or false", ...
std::string expected_of(const Property& property);
// The same with the sample or the example that there is, for who lacks the key.
std::string with_sample(const Property& property);
// A value as it would stand in the file.
std::string text_of(const Property& property, const Value& value);

}  // namespace tlog::config
