// Words: the command line before it is understood. The ancestor's flags may have one dash; a key
// given as a flag is taken out of the process's argument list, where everybody on the machine can
// read it, and the place is wiped.
//
// Threading: values; take_words() before there is another thread.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace tlog::program {

// A secret's text: fixed room, never copied, wiped at the end.
class SecretText {
 public:
  SecretText() = default;
  ~SecretText();
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  SecretText(SecretText&& other) noexcept;
  SecretText& operator=(SecretText&&) = delete;

  // What does not fit is cut off; length() tells of all of it.
  void assign(std::string_view text);
  std::size_t length() const { return length_; }
  bool fits() const { return length_ <= bytes_.size(); }
  std::string_view text() const { return {bytes_.data(), fits() ? length_ : 0}; }

 private:
  void wipe();

  std::array<char, 128> bytes_{};
  std::size_t length_ = 0;
};

struct Words {
  // All but the program's name: long flags with two dashes, the key replaced by "-".
  std::vector<std::string> words;
  bool has_key = false;
  SecretText key;
};

// Changes argv: the key is wiped there.
Words take_words(int argc, char** argv);

// "-flush-size=5" -> "--flush-size=5" when `name` of it is one of the flags; others are left alone.
std::string with_two_dashes(std::string_view word);

}  // namespace tlog::program
