// File: tlog/base/result.h
// How fallible functions answer. Result<T> holds a T or an Error; an Error has a code for the
// program and a message for the person: `operation: object: reason; remedy`, in lower case. Bad
// bytes from disk, network or users are Errors. TLOG_ASSERT (base/assert.h) is for our own mistakes
// only.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace tlog {

enum class Code {
  kInvalidArgument,  // the caller or the configuration asks for what cannot be
  kNotFound,         // provably absent (a store that cannot tell answers kUnavailable)
  kAlreadyExists,
  kCorruption,   // bytes are there and wrong: checksum, chain, authentication, grammar
  kWrongKey,     // intact, but sealed with another key
  kIoError,      // the operating system failed an operation
  kNoSpace,      // disk or quota full
  kUnavailable,  // may succeed later: a store that cannot be reached, a lock held by another
  kTimeout,
  kFenced,  // another writer has taken this vdisk over
  kShutdown,
  kNotSupported,
};

std::string_view code_name(Code code);

class Error {
 public:
  Error(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  Code code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same error seen from one level up: "context: message".
  Error within(std::string_view context) const {
    return Error(code_, std::string(context) + ": " + message_);
  }

 private:
  Code code_;
  std::string message_;
};

// tl::expected is not [[nodiscard]] by itself; this wrapper is, and lets us move to std::expected
// later.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

using Status = Result<void>;

inline tl::unexpected<Error> fail(Code code, std::string message) {
  return tl::unexpected<Error>(Error(code, std::move(message)));
}
inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

// `errno` of an operating system call as an Error: ENOSPC and EDQUOT become kNoSpace, the rest
// kIoError (ENOENT kNotFound, EEXIST kAlreadyExists). `what` is "operation: object".
Error os_error(int error_number, std::string_view what);

// Returns the error of `expr` (a Result or Status) from the enclosing function.
#define TLOG_TRY(expr)                                   \
  do {                                                   \
    if (auto tlog_try_ = (expr); !tlog_try_) {           \
      return ::tlog::fail(std::move(tlog_try_).error()); \
    }                                                    \
  } while (0)

#define TLOG_CONCAT_INNER(a, b) a##b
#define TLOG_CONCAT(a, b) TLOG_CONCAT_INNER(a, b)
// TLOG_ASSIGN(auto x, f()): x is f()'s value, or the enclosing function returns its error.
#define TLOG_ASSIGN(declaration, expr)                                           \
  auto TLOG_CONCAT(tlog_result_, __LINE__) = (expr);                             \
  if (!TLOG_CONCAT(tlog_result_, __LINE__))                                      \
    return ::tlog::fail(std::move(TLOG_CONCAT(tlog_result_, __LINE__)).error()); \
  declaration = std::move(*TLOG_CONCAT(tlog_result_, __LINE__))

}  // namespace tlog
