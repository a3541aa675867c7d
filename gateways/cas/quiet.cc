#include "gateways/cas/quiet.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/impl/codegen/log.h>

namespace tlog::cas {

void keep_libraries_quiet() {
  gpr_set_log_function([](gpr_log_func_args*) {});
  google::protobuf::SetLogHandler(nullptr);
}

}  // namespace tlog::cas
