// File: tlog/config/values.h
// One scalar of the file against its property.
#pragma once

#include <string>
#include <string_view>

#include "tlog/config/properties.h"

namespace tlog::config {

struct Scalar {
  std::string_view text;
  bool is_quoted = false;
};

// What the scalar means, or why it cannot be: "too small: 100, expected ...". Paths are made
// absolute by `directory`, that of the configuration file.
Result<Value> read_value(const Property& property, Scalar scalar, const std::string& directory);

// `path` as it is, or below `directory`; without "." and "..".
std::string absolute_path(const std::string& directory, std::string_view path);

}  // namespace tlog::config
