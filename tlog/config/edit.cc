#include "tlog/config/edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace tlog::config {
namespace {

constexpr std::string_view kWhite = " \t\r\n";

std::optional<std::size_t> offset_of(std::string_view text, Position at) {
  std::size_t start = 0;
  for (std::size_t line = 1; line < at.line; ++line) {
    start = text.find('\n', start);
    if (start == std::string_view::npos) return std::nullopt;
    ++start;
  }
  // A byte order mark is no column.
  if (at.line == 1 && text.starts_with("\xef\xbb\xbf")) start += 3;
  const std::size_t offset = start + at.column - 1;
  return offset < std::min(text.find('\n', start), text.size()) ? std::optional(offset)
                                                                : std::nullopt;
}

// Behind the closing quote; npos when there is none.
std::size_t end_of_quoted(std::string_view text, std::size_t begin) {
  const char quote = text[begin];
  for (std::size_t i = begin + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      const bool is_doubled = quote == '\'' && i + 1 < text.size() && text[i + 1] == quote;
      if (!is_doubled) return i + 1;
      ++i;
    }
  }
  return std::string_view::npos;
}

// Up to a comment, the end of the line, or what ends it within brackets and braces.
std::size_t end_of_plain(std::string_view text, std::size_t begin) {
  std::size_t end = begin;
  for (std::size_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n' || c == '\r' || c == ',' || c == ']' || c == '}') break;
    const bool begins_comment = c == '#' && kWhite.find(text[i - 1]) != std::string_view::npos;
    if (i > begin && begins_comment) break;
    if (kWhite.find(c) == std::string_view::npos) end = i + 1;
  }
  return end;
}

bool is_plain(std::string_view value) {
  constexpr std::string_view kAlso = "._:/-+~";
  const auto is_word = [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kAlso.find(c) != std::string_view::npos;
  };
  if (value.empty() || kAlso.find(value.front()) != std::string_view::npos) return false;
  return value.back() != ':' && std::all_of(value.begin(), value.end(), is_word);
}

std::string quoted(std::string_view value, char quote) {
  std::string text(1, quote);
  for (char c : value) {
    if (quote == '"' && (c == '"' || c == '\\')) text += '\\';
    if (quote == '\'' && c == '\'') text += '\'';
    text += c;
  }
  return text + quote;
}

}  // namespace

Result<std::string> with_scalar(std::string_view text, Position at, std::string_view value) {
  const auto begin = offset_of(text, at);
  const auto refuse = [&](std::string_view what) {
    return fail(Code::kNotSupported,
                fmt::format("{}:{}: {} stands there, which is not changed from here", at.line,
                            at.column, what));
  };
  if (!begin) return refuse("nothing");
  const char first = text[*begin];
  if (std::string_view("&*!|>[{%@`").find(first) != std::string_view::npos) {
    return refuse("an anchor, an alias, a tag or a block");
  }
  const bool is_quoted = first == '"' || first == '\'';
  const std::size_t end = is_quoted ? end_of_quoted(text, *begin) : end_of_plain(text, *begin);
  if (end == std::string_view::npos || end <= *begin) return refuse("no whole value");
  const std::string written = is_quoted         ? quoted(value, first)
                              : is_plain(value) ? std::string(value)
                                                : quoted(value, '"');
  return fmt::format("{}{}{}", text.substr(0, *begin), written, text.substr(end));
}

}  // namespace tlog::config
