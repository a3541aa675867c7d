#include "tlog/base/result.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace tlog {

std::string_view code_name(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return "invalid argument";
    case Code::kNotFound:
      return "not found";
    case Code::kAlreadyExists:
      return "already exists";
    case Code::kCorruption:
      return "corruption";
    case Code::kWrongKey:
      return "wrong key";
    case Code::kIoError:
      return "i/o error";
    case Code::kNoSpace:
      return "no space";
    case Code::kUnavailable:
      return "unavailable";
    case Code::kTimeout:
      return "timeout";
    case Code::kFenced:
      return "fenced";
    case Code::kShutdown:
      return "shutdown";
    case Code::kNotSupported:
      return "not supported";
  }
  return "unknown";
}

namespace {
Code code_of(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return Code::kNoSpace;
    case ENOENT:
      return Code::kNotFound;
    case EEXIST:
      return Code::kAlreadyExists;
    case ETIMEDOUT:
      return Code::kTimeout;
    case EOPNOTSUPP:
    case ENOSYS:
      return Code::kNotSupported;
    case EWOULDBLOCK:
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
      return Code::kUnavailable;
    default:
      return Code::kIoError;
  }
}
}  // namespace

Error os_error(int error_number, std::string_view what) {
  return Error(code_of(error_number),
               fmt::format("{}: {}", what, std::generic_category().message(error_number)));
}

}  // namespace tlog
