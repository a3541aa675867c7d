// How many files and connections the process may have open. Threading: before any thread is made.
#pragma once

namespace tlog::program {

// As many as the system lets it. What shells give by default (1024) is less than the strangers whom
// a server bears before it drops any: they would take the descriptors that clients and stores need.
void allow_many_open_files();

}  // namespace tlog::program
