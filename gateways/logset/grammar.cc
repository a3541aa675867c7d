#include "gateways/logset/grammar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace tlog::logset {
namespace {

std::string_view text_of(ConstByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What is shown of a line that somebody sent.
std::string shown(std::string_view line) {
  std::string text;
  for (char c : line.substr(0, 60)) text += c >= 0x20 && c < 0x7f ? c : '?';
  return line.size() > 60 ? text + "..." : text;
}

std::optional<std::uint64_t> parse_integer(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || value > kLogBytesMax) {
    return std::nullopt;
  }
  return value;
}

// The words of a line, exactly `count`, with one space between them.
template <std::size_t count>
std::optional<std::array<std::string_view, count>> words_of(std::string_view line) {
  std::array<std::string_view, count> words;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t space = line.find(' ');
    if ((space == std::string_view::npos) != (i + 1 == count)) return std::nullopt;
    words[i] = line.substr(0, space);
    line.remove_prefix(std::min(line.size(), words[i].size() + 1));
  }
  return words;
}

Error bad_line(std::string_view what, std::string_view line, std::string_view expected) {
  return {Code::kInvalidArgument,
          fmt::format("logset: {}: '{}': expected {}", what, shown(line), expected)};
}

}  // namespace

bool is_log_name(std::string_view name) {
  return !name.empty() && name.size() <= kLogNameMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
         });
}

std::string offsets_text(const std::vector<LogLength>& logs) {
  std::string text;
  for (const LogLength& log : logs) text += fmt::format("{} {}\n", log.name, log.bytes);
  return text + "\n";
}

std::string slice_line(const SliceHead& head) {
  return fmt::format("{} {} {}\n", head.name, head.offset, head.length);
}

Result<std::size_t> LineReader::take(std::string_view text) {
  const std::size_t end = text.find('\n');
  const std::size_t size = std::min(end, text.size());
  if (line_.size() + size > kLineMax) {
    return fail(bad_line("line", line_ + std::string(text.substr(0, 60)),
                         fmt::format("at most {} bytes", kLineMax)));
  }
  line_ += text.substr(0, size);
  whole_ = end != std::string_view::npos;
  return whole_ ? size + 1 : size;
}

std::string LineReader::next() {
  std::string line = std::move(line_);
  line_.clear();
  whole_ = false;
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

Result<std::size_t> OffsetsParser::take(ConstByteSpan piece) {
  std::string_view text = text_of(piece);
  while (!text.empty() && !done_) {
    TLOG_ASSIGN(const std::size_t used, reader_.take(text));
    text.remove_prefix(used);
    if (!reader_.is_whole()) break;
    const std::string line = reader_.next();
    if (line.empty()) {
      done_ = true;
      break;
    }
    const auto words = words_of<2>(line);
    const auto bytes = words ? parse_integer((*words)[1]) : std::nullopt;
    if (!bytes || !is_log_name((*words)[0])) {
      return fail(bad_line("offsets", line, "NAME BYTES"));
    }
    lengths_[std::string((*words)[0])] = *bytes;
    if (lengths_.size() > kLogsMax) {
      return fail(Code::kInvalidArgument,
                  fmt::format("logset: offsets: more than {} logs", kLogsMax));
    }
  }
  return piece.size() - text.size();
}

Status OffsetsParser::finish() const {
  if (done_) return {};
  return fail(Code::kInvalidArgument, "logset: offsets: the empty line at their end is missing");
}

Status SliceParser::begin(const std::string& line) {
  const auto words = words_of<3>(line);
  const auto offset = words ? parse_integer((*words)[1]) : std::nullopt;
  const auto length = words ? parse_integer((*words)[2]) : std::nullopt;
  if (!offset || !length || *length == 0 || !is_log_name((*words)[0])) {
    return fail(bad_line("slice", line, "NAME OFFSET LENGTH, and a length of at least 1"));
  }
  head_ = {.name = std::string((*words)[0]), .offset = *offset, .length = *length};
  left_ = *length;
  return visitor_.begin(head_);
}

Status SliceParser::take(ConstByteSpan piece) {
  while (!piece.empty()) {
    if (left_ == 0) {
      TLOG_ASSIGN(const std::size_t used, reader_.take(text_of(piece)));
      piece = piece.subspan(used);
      if (reader_.is_whole()) TLOG_TRY(begin(reader_.next()));
      continue;
    }
    const std::size_t size = std::min<std::uint64_t>(left_, piece.size());
    TLOG_TRY(visitor_.bytes(piece.first(size)));
    piece = piece.subspan(size);
    left_ -= size;
    if (left_ == 0) TLOG_TRY(visitor_.end());
  }
  return {};
}

Status SliceParser::finish() const {
  if (left_ > 0) {
    return fail(Code::kInvalidArgument,
                fmt::format("logset: slice: {} of the {} bytes at {} of '{}' are missing", left_,
                            head_.length, head_.offset, head_.name));
  }
  if (reader_.is_begun()) {
    return fail(Code::kInvalidArgument, "logset: slice: its line does not end");
  }
  return {};
}

}  // namespace tlog::logset
