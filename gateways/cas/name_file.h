// The file of a name: what it is called and what it holds (docs/format.md, "Contents of a CAS").
// Threading: pure functions. Errors: kCorruption, saying what is wrong.
#pragma once

#include <string>
#include <string_view>

#include "tlog/base/result.h"

namespace tlog::cas {

inline constexpr std::size_t kNameFileBytesAround = 8 + 4 + 4 + 32;  // name and content

std::string encode_name_file(std::string_view name, std::string_view content);
// The content, when `file` is whole and of this name.
Result<std::string> decode_name_file(std::string_view file, std::string_view name);

}  // namespace tlog::cas
