// File: tlog/base/futex.h
// The kernel's wait on a 32-bit word of this process. Threading: any thread. Wake-ups may be
// spurious: look at what was waited for again.
#pragma once

#include <atomic>
#include <climits>
#include <cstdint>

namespace tlog {

constexpr int kWakeAll = INT_MAX;

// Sleeps while `word` is `expected`, at most `timeout_ns` when it is not null.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                const std::uint64_t* timeout_ns = nullptr);
void futex_wake(std::atomic<std::uint32_t>& word, int threads);

}  // namespace tlog
