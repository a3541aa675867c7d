// File: tlog/config/names.h
// Small help with words, shared by the loader and the checks.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tlog::config {

// The known word that needs the fewest edits (Levenshtein) to be had from `word`; empty when none
// is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> known);
// In quotes for a message: cut when it is long, control characters shown as '?'.
std::string in_quotes(std::string_view text);
// "a, b or c"
std::string alternatives(std::span<const std::string_view> words);

}  // namespace tlog::config
