// gRPC and protobuf, as we want them in our process: they say nothing on standard error, where
// strangers would have a line for every handshake that fails and every name that is no UTF-8; and
// they stay until the process ends, because gRPC waits for 10 s when it ends and has lost an
// object, as it does when memory was short. Threading: any thread.
#pragma once

namespace tlog::cas {

void prepare_libraries();

}  // namespace tlog::cas
