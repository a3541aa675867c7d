// File: nbdkit-plugin/dump.h
// What `nbdkit tlogdisk --dump-plugin` says about this build and this machine, for scripts
// (nbdkit-probing(1)).
#pragma once

namespace tlog::plugin {

// key=value lines on standard output, every key prefixed with tlogdisk_.
void dump_plugin();

}  // namespace tlog::plugin
