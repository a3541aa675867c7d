// Which key a tlogserver has: that of its flags, else that of its configuration, else one of its
// own when nothing outlives it, else none. There is no built-in one: a key that everybody knows
// keeps nobody out.
//
// Threading: at the start, one thread.
// Errors: name the flag or the file and the remedy, never a part of the key.
#pragma once

#include <memory>
#include <string>

#include "server/program/words.h"
#include "tlog/base/log.h"
#include "tlog/seal/key.h"

namespace tlog::program {

// The ancestor's: 32 characters, which are the key's bytes; or 64 hex digits.
Result<seal::MasterKey> key_of_text(const SecretText& text);

struct KeyChoice {
  const SecretText* text = nullptr;  // --priv-key
  std::string flag_file = {};        // --priv-key-file
  std::string config_file = {};      // keyFile of the configuration; it may be absent
  bool only_memory = false;          // nothing is stored that is there after the process
};
// Null: clients have to hand theirs over. Says in the log what that means.
Result<std::shared_ptr<const seal::MasterKey>> choose_key(const KeyChoice& choice,
                                                          io::FileSystem& files, Random& random,
                                                          Logger& logger);

}  // namespace tlog::program
