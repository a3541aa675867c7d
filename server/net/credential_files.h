// File: server/net/credential_files.h
// Reads the files that credentials are made from.
// Threading: pure functions.
// Errors: name the file, what is wrong with it and what to do.
#pragma once

#include <map>
#include <string>

#include "server/net/credentials.h"

namespace tlog::net {

enum class FileSecrecy { kPublic, kSecret };  // secret: others may not read it

// `what` is what the file is, for messages: "key file".
Result<SecretVector> read_credential(io::FileSystem& files, const std::string& path,
                                     const std::string& what, FileSecrecy secrecy);

// Lines of "identity:hex", as psktool writes them; empty ones and those that begin with # are
// skipped.
Result<std::map<std::string, SecretVector>> parse_psks(const SecretVector& text,
                                                       const std::string& path);

}  // namespace tlog::net
