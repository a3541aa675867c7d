// File: tlog/etcd/source.h
// Where a program's configuration comes from: a file, or a key of etcd, named by a URL on the
// command line or by the one key `configSource` of a small local file. The text in etcd is the same
// as a file's; relative paths in it are relative to that local file, or to the directory in which
// the program was started.
//
// Threading: as config::Source.
#pragma once

#include <optional>

#include "tlog/config/source.h"
#include "tlog/etcd/url.h"

namespace tlog::etcd {

struct Place {
  std::string path_or_url;
  std::string directory;  // absolute: what a URL's relative paths are relative to
};

// What a place has turned out to be.
struct Origin {
  std::string path;        // absolute
  std::optional<Url> url;  // of etcd; otherwise the file itself
};
// Reads the file, if it is one, to see what it says.
Result<Origin> find_origin(io::FileSystem& files, const Place& place);
std::unique_ptr<config::Source> make_source(io::FileSystem& files, const Origin& origin,
                                            Logger& logger);
// Both.
Result<std::unique_ptr<config::Source>> open_source(io::FileSystem& files, const Place& place,
                                                    Logger& logger);

}  // namespace tlog::etcd
