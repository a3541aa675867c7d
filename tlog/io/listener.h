// File: tlog/io/listener.h
// Listening sockets of a loop.
// Threading: listen_on() from any thread; the Listener as io/loop.h says.
#pragma once

#include "tlog/io/loop_base.h"

namespace tlog::io {

Result<std::unique_ptr<Listener>> listen_on(LoopBase& loop, const ListenOptions& options,
                                            Listener::Handlers handlers);

}  // namespace tlog::io
