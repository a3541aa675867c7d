#include "tlog/base/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ctime>

namespace tlog {
namespace {

void futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value,
           const timespec* timeout) {
  static_assert(sizeof word == sizeof(std::uint32_t));
  (void)syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), operation | FUTEX_PRIVATE_FLAG,
                value, timeout, nullptr, 0);
}

}  // namespace

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                const std::uint64_t* timeout_ns) {
  if (timeout_ns == nullptr) return futex(word, FUTEX_WAIT, expected, nullptr);
  timespec timeout{.tv_sec = static_cast<time_t>(*timeout_ns / 1'000'000'000),
                   .tv_nsec = static_cast<long>(*timeout_ns % 1'000'000'000)};
  futex(word, FUTEX_WAIT, expected, &timeout);
}

void futex_wake(std::atomic<std::uint32_t>& word, int threads) {
  futex(word, FUTEX_WAKE, static_cast<std::uint32_t>(threads), nullptr);
}

}  // namespace tlog
