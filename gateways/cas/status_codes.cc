#include "gateways/cas/status_codes.h"

#include <grpcpp/support/status.h>

namespace tlog::cas {

int grpc_code_of(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return grpc::INVALID_ARGUMENT;
    case Code::kNotFound:
      return grpc::NOT_FOUND;
    case Code::kAlreadyExists:
      return grpc::ALREADY_EXISTS;
    case Code::kCorruption:
    case Code::kWrongKey:
      return grpc::DATA_LOSS;
    case Code::kIoError:
      return grpc::INTERNAL;
    case Code::kNoSpace:
      return grpc::RESOURCE_EXHAUSTED;
    case Code::kUnavailable:
    case Code::kShutdown:
      return grpc::UNAVAILABLE;
    case Code::kTimeout:
      return grpc::DEADLINE_EXCEEDED;
    case Code::kFenced:
      return grpc::FAILED_PRECONDITION;
    case Code::kNotSupported:
      return grpc::PERMISSION_DENIED;
  }
  return grpc::UNKNOWN;
}

Code code_of_grpc(int code) {
  switch (code) {
    case grpc::INVALID_ARGUMENT:
    case grpc::OUT_OF_RANGE:
      return Code::kInvalidArgument;
    case grpc::NOT_FOUND:
      return Code::kNotFound;
    case grpc::ALREADY_EXISTS:
      return Code::kAlreadyExists;
    case grpc::DATA_LOSS:
      return Code::kCorruption;
    case grpc::RESOURCE_EXHAUSTED:
      return Code::kNoSpace;
    case grpc::UNAVAILABLE:
    case grpc::ABORTED:
    case grpc::CANCELLED:
      return Code::kUnavailable;
    case grpc::DEADLINE_EXCEEDED:
      return Code::kTimeout;
    case grpc::FAILED_PRECONDITION:
      return Code::kFenced;
    case grpc::PERMISSION_DENIED:
    case grpc::UNAUTHENTICATED:
    case grpc::UNIMPLEMENTED:
      return Code::kNotSupported;
    default:
      return Code::kIoError;
  }
}

}  // namespace tlog::cas
