#include "gateways/cas/libraries.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/grpc.h>
#include <grpc/impl/codegen/log.h>

namespace tlog::cas {

void prepare_libraries() {
  gpr_set_log_function([](gpr_log_func_args*) {});
  google::protobuf::SetLogHandler(nullptr);
  grpc_init();  // counted; ended by nobody
}

}  // namespace tlog::cas
