// File: tlog/io/system_file.h
// File and RingMapping over POSIX; made by system_files() only.
#pragma once

#include "tlog/io/file.h"

namespace tlog::io {

// Takes over an open descriptor.
std::unique_ptr<File> make_system_file(int descriptor, std::string path);

Result<std::unique_ptr<RingMapping>> map_system_ring(const std::string& path, std::size_t bytes);

}  // namespace tlog::io
