#include "nbdkit-plugin/errors.h"

#include <nbdkit-plugin.h>

#include <cerrno>

namespace tlog::plugin {
namespace {

constexpr std::size_t kPrintableMax = 64;

void print_lines(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (!line.empty()) nbdkit_error("%.*s", static_cast<int>(line.size()), line.data());
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

int errno_of(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return EINVAL;
    case Code::kNotFound:
      return ENOENT;  // an export; nbdkit refuses the connection, no client sees the number
    case Code::kAlreadyExists:
      return EIO;
    case Code::kCorruption:
      return EIO;
    case Code::kWrongKey:
      return EIO;
    case Code::kIoError:
      return EIO;
    case Code::kNoSpace:
      return ENOSPC;
    case Code::kUnavailable:
      return EIO;
    case Code::kTimeout:
      return EIO;
    case Code::kFenced:
      return EPERM;
    case Code::kShutdown:
      return ESHUTDOWN;
    case Code::kNotSupported:
      return ENOTSUP;
  }
  return EIO;
}

void report(const Error& error) {
  const int number = errno_of(error.code());
  if (error.code() == Code::kShutdown) {
    // Expected while the server ends, once for each request under way: not worth an operator's
    // line.
    nbdkit_debug("%s", error.message().c_str());
  } else {
    print_lines(error.message());
  }
  nbdkit_set_error(number);
}

void report_exception(std::string_view callback, std::string_view what) {
  nbdkit_error("%.*s: %.*s", static_cast<int>(callback.size()), callback.data(),
               static_cast<int>(what.size()), what.data());
  nbdkit_set_error(EIO);
}

std::string printable(std::string_view untrusted) {
  std::string text;
  for (char c : untrusted.substr(0, kPrintableMax)) text += c > ' ' && c < 0x7f ? c : '?';
  if (untrusted.size() > kPrintableMax) text += "...";
  return text;
}

}  // namespace tlog::plugin
