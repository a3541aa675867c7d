// File: tests/kernel/file_system.h
// Looks into an ext4 image without mounting it.
#pragma once

#include <string>

#include "tlog/base/result.h"

namespace tlog::kernel {

// Replays the journal as a mount would; then e2fsck must find nothing to repair.
Status check_ext4(const std::string& image);
// The MD5 of a file in the image, as md5sum prints it.
Result<std::string> md5_in_ext4(const std::string& image, const std::string& file);

}  // namespace tlog::kernel
