// BearerToken: the secret that requests have to carry, as the server and its clients have it.
// Compared in a time that does not depend on how much of a guess is right. Threading: const calls
// from any thread. Errors: a file that is absent, readable by others, or holds what is no token.
#pragma once

#include <string>
#include <vector>

#include "tlog/base/wipe.h"
#include "tlog/io/file.h"

namespace tlog::gateway {

class BearerToken {
 public:
  using Secret = std::vector<std::byte, WipingAllocator<std::byte>>;

  // The file's one line: 16 to 1024 letters, digits and "-._~+/=".
  static Result<BearerToken> load(io::FileSystem& files, const std::string& path);
  // `header`: the value of Authorization; null: there is none.
  bool allows(const std::string* header) const;
  // What a client sends as the value of Authorization.
  Secret header() const;

 private:
  Secret token_;
};

}  // namespace tlog::gateway
