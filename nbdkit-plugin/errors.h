// File: nbdkit-plugin/errors.h
// How the engine's errors reach nbdkit and its clients: the one table of errno values, and the
// guard that every callback goes through, so that no exception crosses nbdkit's C code. Threading:
// any thread.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "tlog/base/result.h"

namespace tlog::plugin {

// The protocol knows few errors, and nbdkit turns what it does not know (ETIMEDOUT, EAGAIN, EBUSY,
// EBADMSG) into EINVAL, which a client reads as "my request was wrong". So everything that is the
// server's trouble is EIO.
int errno_of(Code code);

// Tells nbdkit's log (one line of it per line of the message) and the calling client.
void report(const Error& error);
// The same for what a catch block found: it is our own mistake or no memory, and the client sees
// EIO.
void report_exception(std::string_view callback, std::string_view what);

// Text that came over the network, for a message: bounded, and with nothing a terminal or log would
// obey.
std::string printable(std::string_view untrusted);

// Runs a callback that answers Result<T>; `failure` is what nbdkit takes for an error.
template <class T, class Call>
T guard(std::string_view callback, T failure, Call call) noexcept {
  try {
    auto result = call();
    if (result) return *std::move(result);
    report(result.error());
  } catch (const std::exception& exception) {
    report_exception(callback, exception.what());
  } catch (...) {
    report_exception(callback, "unknown exception");
  }
  return failure;
}

// The same for a callback that answers Status: 0 or -1.
template <class Call>
int guard_status(std::string_view callback, Call call) noexcept {
  return guard<int>(callback, -1, [&]() -> Result<int> {
    Status status = call();
    if (!status) return fail(std::move(status).error());
    return 0;
  });
}

}  // namespace tlog::plugin
