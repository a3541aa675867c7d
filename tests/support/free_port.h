// A port for a server that cannot be told to take any.
// Threading: any thread. Errors: std::runtime_error when there is none.
#pragma once

namespace tlog::testing {

// A TCP port of loopback that was free a moment ago. Not one of those that the kernel gives to
// clients and to who asks for any: between this look and the server's bind, and while a server is
// restarted, those go to whoever comes.
int free_port();

}  // namespace tlog::testing
