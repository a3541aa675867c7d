// File: tests/support/resp_framing.h
// Where the messages of a redis-protocol stream (RESP2: commands and replies) end, however the
// stream is cut into pieces. Shares nothing with the parser of the product.
// Threading: a value.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace tlog::testing {

class RespFraming {
 public:
  // Of each message it keeps so many words (bulk strings), and of each word so many bytes.
  explicit RespFraming(std::size_t words_max = std::numeric_limits<std::size_t>::max(),
                       std::size_t word_bytes_max = std::numeric_limits<std::size_t>::max())
      : words_max_(words_max), word_bytes_max_(word_bytes_max) {}

  // Takes bytes until a message ends or none are left; answers how many. The message after one that
  // has ended begins with the next call.
  std::size_t take(std::string_view bytes);
  bool ended() const { return ended_; }
  // It is not the protocol: nothing more is known, take() takes everything.
  bool broken() const { return broken_; }
  // Of the current message, or of the one that has just ended.
  const std::vector<std::string>& words() const { return words_; }
  bool has_first_word() const { return words_.size() > 1 || (words_.size() == 1 && !in_word_); }

 private:
  void begin();
  void take_line();
  void end_element();
  std::size_t take_payload(std::string_view bytes);

  std::size_t words_max_;
  std::size_t word_bytes_max_;
  std::vector<std::string> words_;
  std::string line_;                // the head of an element, as far as it has come
  std::uint64_t payload_left_ = 0;  // of a bulk string, with its line end
  std::uint64_t elements_left_ = 1;
  bool in_word_ = false;
  bool keeps_word_ = false;
  bool ended_ = false;
  bool broken_ = false;
};

}  // namespace tlog::testing
