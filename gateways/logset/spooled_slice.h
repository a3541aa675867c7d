// SpooledSlice: the bytes of a slice until all of it has arrived: in memory while they are few, in
// a file beside the logs when not. Gone with the object; a file that a crash has left goes with the
// next opening of the directory.
//
// Threading: one thread at a time. Errors: the file system's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tlog/base/random.h"
#include "tlog/io/file.h"

namespace tlog::logset {

inline constexpr std::string_view kSpoolPrefix = ".slice-";

class SpooledSlice {
 public:
  SpooledSlice(io::FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}
  ~SpooledSlice();
  SpooledSlice(const SpooledSlice&) = delete;
  SpooledSlice& operator=(const SpooledSlice&) = delete;

  Status write(ConstByteSpan piece);
  std::uint64_t size() const { return in_file_ + memory_.size(); }
  // All of it, in order, in pieces.
  Status copy_to(io::File& into, std::uint64_t offset);

 private:
  Status spill();

  io::FileSystem& files_;
  const std::string directory_;
  std::string path_;  // "": only memory so far
  std::unique_ptr<io::File> file_;
  std::uint64_t in_file_ = 0;
  std::vector<std::byte> memory_;  // behind what is in the file
};

}  // namespace tlog::logset
