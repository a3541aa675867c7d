// File: tlog/walk/metadata_ask.h
// Where a vdisk's metadata is in a store, and how it is asked for. A directory has one writer by
// its lock, and one key. On a server each epoch has a key of its own, because a late put of a
// fenced writer would otherwise replace its successor's; which epochs there are, the server's marks
// say. Threading: any thread; answers on the loop's.
#pragma once

#include <string>

#include "tlog/format/metadata.h"
#include "tlog/store/store.h"

namespace tlog::walk {

// Where the writer of `epoch` puts it (0: before there is any).
std::string metadata_key_in(store::Store& store, const std::string& vdisk, Epoch epoch);

// The newest that the store has. kNotFound: it has none at all.
void ask_metadata(store::Store& store, const std::string& vdisk, store::GetDone done);

}  // namespace tlog::walk
