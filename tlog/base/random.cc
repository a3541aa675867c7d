#include "tlog/base/random.h"

#include <sys/random.h>

#include <cerrno>

#include "tlog/base/assert.h"
#include "tlog/base/environment.h"

namespace tlog {
namespace {

class SystemRandom final : public Random {
 public:
  void fill(ByteSpan bytes) override {
    if (thread_environment != nullptr) return thread_environment->fill_random(bytes);
    while (!bytes.empty()) {
      ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      TLOG_ASSERT(got > 0);
      bytes = bytes.subspan(static_cast<std::size_t>(got));
    }
  }
};

}  // namespace

Uuid Random::next_uuid() {
  Uuid uuid;
  fill(std::as_writable_bytes(std::span(uuid.bytes)));
  uuid.bytes[6] = static_cast<std::uint8_t>((uuid.bytes[6] & 0x0f) | 0x40);
  uuid.bytes[8] = static_cast<std::uint8_t>((uuid.bytes[8] & 0x3f) | 0x80);
  return uuid;
}

Random& system_random() {
  static constinit SystemRandom random;
  return random;
}

}  // namespace tlog
