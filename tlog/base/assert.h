// File: tlog/base/assert.h
// TLOG_ASSERT: for our own mistakes only, on in every build. Bad input is a Result, never this.
#pragma once

namespace tlog {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}

#define TLOG_ASSERT(expression)            \
  (static_cast<bool>(expression) ? void(0) \
                                 : ::tlog::assertion_failed(#expression, __FILE__, __LINE__))
