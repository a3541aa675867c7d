#include "tests/support/free_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mutex>
#include <random>
#include <set>
#include <stdexcept>

namespace tlog::testing {
namespace {

// Linux gives away 32768 and above, unless it is told otherwise.
constexpr int kFirst = 16'384;
constexpr int kLast = 32'767;
constexpr int kTries = 1000;

bool is_free(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const int number = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (number < 0) throw std::runtime_error("free_port: no socket");
  const bool bound =
      ::bind(number, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(number);
  return bound;
}

}  // namespace

int free_port() {
  static std::mutex mutex;
  static std::set<int> given;  // they may not be listened on yet
  const std::lock_guard lock(mutex);
  std::random_device random;
  std::uniform_int_distribution<int> any(kFirst, kLast);
  for (int i = 0; i < kTries; ++i) {
    const int port = any(random);
    if (!given.contains(port) && is_free(port)) return *given.insert(port).first;
  }
  throw std::runtime_error("free_port: none is free");
}

}  // namespace tlog::testing
