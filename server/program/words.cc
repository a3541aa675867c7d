#include "server/program/words.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "tlog/base/wipe.h"

namespace tlog::program {
namespace {

constexpr std::string_view kKeyFlag = "--priv-key";
constexpr std::string_view kInstead = "-";  // of the key, for who reads the flags

// The ancestor's flags could be written with one dash or two; so can the new ones, so that nobody
// has to remember which is which.
constexpr auto kFlags = std::to_array<std::string_view>({"address",
                                                         "block-size",
                                                         "config",
                                                         "flush-size",
                                                         "flush-time",
                                                         "help",
                                                         "insecure",
                                                         "k",
                                                         "linger",
                                                         "logfile",
                                                         "m",
                                                         "memory-max",
                                                         "memorystorage",
                                                         "nonce",
                                                         "priv-key",
                                                         "priv-key-file",
                                                         "profile-address",
                                                         "session-memory",
                                                         "stop-timeout",
                                                         "storage-addresses",
                                                         "threads",
                                                         "tls-ca",
                                                         "tls-cert",
                                                         "tls-key",
                                                         "tls-psk-file",
                                                         "tls-verify-client",
                                                         "unix",
                                                         "v",
                                                         "version",
                                                         "with-slave-sync"});

bool is_flag(std::string_view name) {
  return std::find(kFlags.begin(), kFlags.end(), name) != kFlags.end();
}

void add_word(std::string_view word, bool as_it_is, std::vector<std::string>& words) {
  if (as_it_is) {
    words.emplace_back(word);
    return;
  }
  // CLI11 would take the next word for the value that is missing behind '='.
  const bool lacks_value = word.size() > 1 && word[0] == '-' && word.find('=') == word.size() - 1;
  words.push_back(with_two_dashes(lacks_value ? word.substr(0, word.size() - 1) : word));
  if (lacks_value) words.emplace_back();
}

}  // namespace

SecretText::~SecretText() {
  wipe();
}

SecretText::SecretText(SecretText&& other) noexcept : bytes_(other.bytes_), length_(other.length_) {
  other.wipe();
}

void SecretText::assign(std::string_view text) {
  wipe();
  length_ = text.size();
  std::copy_n(text.begin(), std::min(text.size(), bytes_.size()), bytes_.begin());
}

void SecretText::wipe() {
  tlog::wipe(std::as_writable_bytes(std::span(bytes_)));
  length_ = 0;
}

std::string with_two_dashes(std::string_view word) {
  if (word.size() < 2 || word[0] != '-' || word[1] == '-') return std::string(word);
  const std::string_view name = word.substr(1, word.find('=') - 1);
  // "-v" and "-k 4" are understood as they are; "-k=4" is not.
  const bool is_short = name.size() == 1 && word.size() == 2;
  return !is_short && is_flag(name) ? "-" + std::string(word) : std::string(word);
}

Words take_words(int argc, char** argv) {
  Words taken;
  bool key_is_next = false;
  const auto take_key = [&](char* text) {
    taken.has_key = true;
    taken.key.assign(text);
    wipe(std::as_writable_bytes(std::span(text, std::strlen(text))));
  };
  bool only_words = false;  // behind "--"
  for (int i = 1; i < argc; ++i) {
    if (key_is_next) {
      key_is_next = false;
      take_key(argv[i]);
      taken.words.emplace_back(kInstead);
      continue;
    }
    // Only the flag's name is copied: behind it may be a key.
    const std::string_view word(argv[i]);
    const std::size_t name_end = std::min(word.find('='), word.size());
    const std::string name = with_two_dashes(word.substr(0, name_end));
    if (only_words || name != kKeyFlag) {
      only_words = only_words || word == "--";
      add_word(word, only_words, taken.words);
      continue;
    }
    taken.words.emplace_back(kKeyFlag);
    if (name_end == word.size()) {
      key_is_next = true;
      continue;
    }
    take_key(argv[i] + name_end + 1);
    taken.words.emplace_back(kInstead);
  }
  return taken;
}

}  // namespace tlog::program
