// What strangers send is no event of ours: the libraries would write a line on standard error for
// every handshake that fails and every name that is no UTF-8.
// Threading: any thread; for the whole process, and for good.
#pragma once

namespace tlog::cas {

void keep_libraries_quiet();

}  // namespace tlog::cas
