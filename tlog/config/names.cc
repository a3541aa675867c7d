#include "tlog/config/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "tlog/base/limits.h"
#include "tlog/config/config.h"

namespace tlog::config {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Case counts for nothing: `datashards` is one thought away from `dataShards`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      std::size_t replaced = diagonal + (lower(a[i]) == lower(b[j]) ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> known) {
  if (word.size() > kNameMax) return {};
  std::string_view best;
  std::size_t best_distance = word.size();
  for (std::string_view candidate : known) {
    std::size_t distance = edit_distance(word, candidate);
    // `size` for `journalSize`: a part of the word counts as near.
    if (word.size() >= 4 && candidate.find(word) != std::string_view::npos) distance = 1;
    if (distance >= best_distance || distance > std::max<std::size_t>(2, word.size() / 2)) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kShown = 60;
  std::string shown(text.substr(0, kShown));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return fmt::format("'{}{}'", shown, text.size() > kShown ? "..." : "");
}

std::string alternatives(std::span<const std::string_view> words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

bool is_valid_name(std::string_view name) {
  if (name.empty() || name.size() > kNameMax || name.front() == '.' || name.front() == '-') {
    return false;
  }
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

}  // namespace tlog::config
