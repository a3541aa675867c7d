// Tells the service manager how far the server is (systemd's Type=notify: a datagram to the socket
// that NOTIFY_SOCKET names). Without one nothing happens, and nothing depends on it.
// Threading: any thread.
#pragma once

#include <string_view>

namespace tlog::program {

// "READY=1", "STOPPING=1".
void tell_manager(std::string_view state);

}  // namespace tlog::program
