// File: tlog/config/edit.h
// Changes one value of a configuration's text and not a byte of anything else: comments, order and
// layout are the operator's. What comes out is to be checked (config::check) and compared with what
// was meant before it is used: YAML has more ways to write a value than are changed here.
// Threading: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "tlog/config/config.h"

namespace tlog::config {

// The text with `value` instead of the scalar that begins at `at`, in the same quotes; a plain one
// gets quotes when it needs them. kNotSupported: what stands there is no simple scalar (an anchor,
// an alias, a tag, a block).
Result<std::string> with_scalar(std::string_view text, Position at, std::string_view value);

}  // namespace tlog::config
