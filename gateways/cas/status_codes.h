// Our codes and gRPC's, as the numbers that its wire has.
// Threading: pure functions.
#pragma once

#include "tlog/base/result.h"

namespace tlog::cas {

inline constexpr std::size_t kReasonBytesMax = 1024;  // of a status, in words

int grpc_code_of(Code code);
// Of what a server or the library has answered: anything but 0 (OK).
Code code_of_grpc(int code);

}  // namespace tlog::cas
