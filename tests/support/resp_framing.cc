#include "tests/support/resp_framing.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace tlog::testing {
namespace {

constexpr std::size_t kLineMax = 64 * 1024;
constexpr std::int64_t kCountMax = std::int64_t{1} << 40;

}  // namespace

void RespFraming::begin() {
  words_.clear();
  elements_left_ = 1;
  ended_ = false;
}

std::size_t RespFraming::take(std::string_view bytes) {
  if (broken_) return bytes.size();
  if (ended_) begin();
  std::size_t at = 0;
  while (at < bytes.size() && !ended_) {
    if (broken_) return bytes.size();
    if (payload_left_ > 0) {
      at += take_payload(bytes.substr(at));
      continue;
    }
    line_ += bytes[at++];
    if (line_.ends_with("\r\n")) take_line();
    if (line_.size() > kLineMax) broken_ = true;
  }
  return at;
}

std::size_t RespFraming::take_payload(std::string_view bytes) {
  const std::size_t taken = std::min<std::uint64_t>(bytes.size(), payload_left_);
  const std::size_t of_word =
      std::min<std::uint64_t>(taken, payload_left_ - std::min<std::uint64_t>(payload_left_, 2));
  if (keeps_word_ && words_.back().size() < word_bytes_max_)
    words_.back().append(bytes, 0, std::min(of_word, word_bytes_max_ - words_.back().size()));
  payload_left_ -= taken;
  if (payload_left_ == 0) {
    in_word_ = false;
    end_element();
  }
  return taken;
}

void RespFraming::take_line() {
  const std::string line = std::exchange(line_, {});
  const char kind = line[0];
  if (kind == '+' || kind == '-' || kind == ':') return end_element();
  std::int64_t number = 0;
  const char* const end = line.data() + line.size() - 2;
  const auto parsed = std::from_chars(line.data() + 1, end, number);
  if ((kind != '$' && kind != '*') || parsed.ec != std::errc() || parsed.ptr != end ||
      number < -1 || number > kCountMax) {
    broken_ = true;
    return;
  }
  if (kind == '$' && number >= 0) {
    payload_left_ = static_cast<std::uint64_t>(number) + 2;
    in_word_ = true;
    keeps_word_ = words_.size() < words_max_;
    if (keeps_word_) words_.emplace_back();
    return;
  }
  if (kind == '*' && number > 0) elements_left_ += static_cast<std::uint64_t>(number);
  end_element();
}

void RespFraming::end_element() {
  ended_ = --elements_left_ == 0;
}

}  // namespace tlog::testing
