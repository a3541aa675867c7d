// A configuration's text with something else in one place.
#pragma once

#include <string>

namespace tlog::config {

// The first `from`, if there is one.
inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  if (std::size_t at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

}  // namespace tlog::config
