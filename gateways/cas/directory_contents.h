// Contents in a directory, as files (docs/format.md, "Contents of a CAS"):
//
//   contents/<2 hex>/<64 hex>   a content, named by the digest in its address
//   names/<64 hex>              a name and its content, named by the digest of the name
//   new/<number>                what is being written; removed at the next opening
//
// A file comes to its place whole: written and synced under new/, renamed, its directory synced. So
// a kill or a loss of power leaves what was there before, or all of the new.
//
// Threading: any thread. One process at a time: the directory is locked.
// Durability: what add() and update() have confirmed outlives the machine's crash; a name is read
// as it was before, until its next content is synced.
// Errors: those of the file system; kUnavailable when another process has the directory. A content
// that does not fit its address is kCorruption, and is mended by adding it again; a damaged name,
// by updating it. After a directory could not be synced nothing more is taken until it is opened
// anew.
#pragma once

#include <memory>

#include "gateways/cas/contents.h"
#include "tlog/io/file.h"

namespace tlog::cas {

// Makes the directory when there is none.
Result<std::unique_ptr<Contents>> open_directory_contents(io::FileSystem& files,
                                                          const std::string& path);

}  // namespace tlog::cas
