// File: tlog/io/file.h
// Files and directories. Everything below the plugin touches the operating system's files through these two
// interfaces, so that tests can fail the Nth operation, forget what was not synced, or simulate the whole disk.
//
// Errors: every message names the operation, the path and the reason ("write: journal/vm1/000003: No space left...").
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tlog/base/types.h"

namespace tlog::io {

struct OpenOptions {
  bool write = false;      // open for reading and writing, otherwise for reading only
  bool create = false;     // create when absent (mode 0600); needs write
  bool exclusive = false;  // with create: fail with kAlreadyExists when present
  bool direct = false;     // O_DIRECT where the file system has it, buffered elsewhere. Offsets, lengths and
                           // memory must then be multiples of kBlockAlignment.
};

// An open file. Positional, synchronous calls; the Loop (io/loop.h) has the asynchronous ones.
// Threading: any thread; concurrent calls on ranges that do not overlap are independent.
// Durability: nothing is durable before sync_data() (or a durable write of the Loop) has returned success.
// After a failed sync the state of unsynced bytes is unknown: never retry it, fail what depends on it.
class File {
 public:
  virtual ~File() = default;

  // Fills all of `into`; fewer bytes only at the end of the file. Returns the number of bytes read.
  virtual Result<std::size_t> read(std::uint64_t offset, ByteSpan into) = 0;
  // Writes all of the pieces, one after the other, from `offset`; a short write is an error.
  virtual Status write(std::uint64_t offset, std::span<const ConstByteSpan> pieces) = 0;
  Status write(std::uint64_t offset, ConstByteSpan bytes) {
    return write(offset, std::span<const ConstByteSpan>(&bytes, 1));
  }
  virtual Status sync_data() = 0;  // fdatasync
  virtual Status resize(std::uint64_t size) = 0;
  virtual Status preallocate(std::uint64_t offset, std::uint64_t length) = 0;  // kNotSupported is not fatal
  virtual Status punch_hole(std::uint64_t offset, std::uint64_t length) = 0;   // reads as zeros afterwards
  virtual Result<std::uint64_t> size() = 0;
  // Start of the first data (or hole) at or after `offset`, the file's size when there is none.
  virtual Result<std::uint64_t> next_data(std::uint64_t offset) = 0;
  virtual Result<std::uint64_t> next_hole(std::uint64_t offset) = 0;
  // Starts writing dirty pages of the range back without waiting; a hint, never an error.
  virtual void start_writeback(std::uint64_t offset, std::uint64_t length) = 0;
  // An exclusive lock that ends with the process (flock): kUnavailable when another has it.
  virtual Status try_lock() = 0;
  // A small named attribute of the file (extended attribute). kNotSupported where the file system has none.
  virtual Status set_attribute(std::string_view name, std::string_view value) = 0;
  virtual Result<std::string> attribute(std::string_view name) = 0;  // kNotFound when absent

  virtual const std::string& path() const = 0;
  // The descriptor for io_uring, or -1 when only the calls above may be used (test doubles).
  virtual int descriptor() const = 0;
};

// Memory shared by all who map the same path, mapped twice in a row: byte i and byte i + size() are the same,
// so that any range of up to size() bytes of a ring is contiguous. It outlives the process, not the machine.
class RingMapping {
 public:
  virtual ~RingMapping() = default;
  virtual std::byte* data() = 0;
  virtual std::size_t size() const = 0;
};

struct DirectoryEntry {
  std::string name;
  bool is_directory = false;
};

// Threading: any thread.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) = 0;
  virtual Status make_directories(const std::string& path) = 0;  // mode 0700, parents too; synced
  virtual Status sync_directory(const std::string& path) = 0;
  virtual Result<std::vector<DirectoryEntry>> list(const std::string& path) = 0;  // sorted by name
  virtual Status remove(const std::string& path) = 0;  // kNotFound when absent
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  virtual Result<unsigned> mode(const std::string& path) = 0;  // permission bits
  virtual Result<std::uint64_t> free_bytes(const std::string& path) = 0;
  // Maps `bytes` (a multiple of kBlockAlignment) of the file at `path`, created zero-filled and allocated when absent.
  virtual Result<std::unique_ptr<RingMapping>> map_ring(const std::string& path, std::size_t bytes) = 0;
  // Something that changes with every boot of the machine: what memory-backed files say is void after it changes.
  virtual std::string boot_id() = 0;
};

// The operating system's. Stateless; the reference is valid for ever.
FileSystem& system_files();

// Whole small files. write_file_atomically: temporary file, sync, rename, directory sync: all of it or nothing.
Result<std::string> read_file(FileSystem& files, const std::string& path, std::size_t size_max);
Status write_file_atomically(FileSystem& files, const std::string& path, ConstByteSpan contents);

std::string join_path(std::string_view directory, std::string_view name);
std::string parent_path(std::string_view path);

}  // namespace tlog::io
