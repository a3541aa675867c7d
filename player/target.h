// File: player/target.h
// Target: where a restore goes. A file (staged beside it and renamed at success), a block device,
// an NBD server, or a new vdisk of the configuration.
//
// A restore's way: check() -> prepare() -> apply()... with sync() now and then -> commit(). Until
// prepare() nothing has been changed. An apply that is repeated after an interruption, from a
// synced position on, leads to the same bytes. Threading: one thread. Durability: apply() nothing;
// sync() and commit() everything applied before. Errors: every message names the target and the
// remedy. After a failed sync the restore must fail.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "player/batch.h"
#include "tlog/base/types.h"
#include "tlog/io/file.h"

namespace tlog::player {

class Target {
 public:
  virtual ~Target() = default;

  // Whether it can take the vdisk: size, permission to overwrite, in use. `resuming`: what is there
  // may be this restore's own unfinished work. Changes nothing; what it says is for people ("new
  // file, 1.0 GiB").
  virtual Result<std::string> check(bool resuming) = 0;
  // Tells one target from another across runs, for resuming. Empty: there is nothing to resume on.
  virtual Result<std::string> identity() = 0;
  // Tells whether anybody else has written to it since it was synced; "": it cannot be told.
  virtual Result<std::string> stamp() { return std::string(); }
  // Begins: takes hold of it; makes it all zeros unless `resuming`. After it, identity() is final.
  virtual Status prepare(bool resuming) = 0;
  virtual Status apply(std::span<const Change> changes) = 0;
  virtual Status sync() = 0;
  // Syncs and publishes: only now does an existing file give way.
  virtual Status commit() = 0;

  // Whether what identity() says cannot tell that the contents are still this restore's (another
  // disk under the same name): then a resumed restore first reads back something that it wrote.
  virtual bool wants_probe() const { return false; }
  virtual Status read(std::uint64_t offset, ByteSpan into) = 0;

  virtual const std::string& name() const = 0;      // as the user gave it
  virtual std::string unfinished_name() const = 0;  // where the bytes are before commit()
  // Where the restore's position is kept; "" when the user must give --state.
  virtual std::string default_state_path() const = 0;
};

struct TargetOptions {
  std::string name;
  std::uint64_t size = 0;  // of the vdisk
  bool force = false;
  std::string vdisk;  // that is restored, for names and messages
};

enum class TargetKind { kPath, kNbd, kVdisk };
TargetKind kind_of_target(std::string_view name);

// A regular file or a block device, by what is there.
Result<std::unique_ptr<Target>> make_path_target(const TargetOptions& options,
                                                 io::FileSystem& files);
std::unique_ptr<Target> make_file_target(const TargetOptions& options, io::FileSystem& files);
std::unique_ptr<Target> make_device_target(const TargetOptions& options, io::FileSystem& files);
// A file that is written in place, to be kept current.
std::unique_ptr<Target> make_followed_file(const TargetOptions& options, io::FileSystem& files);
std::unique_ptr<Target> make_nbd_target(const TargetOptions& options);

// Writes `length` zeros where a file cannot punch a hole.
Status write_zeros(io::File& file, std::uint64_t offset, std::uint64_t length);
// Applies changes to a file or a device: data in one call a run, zeros as holes where that is
// possible.
struct HolePunching {
  bool possible = true;         // cleared when the file refuses
  std::uint64_t alignment = 1;  // devices punch whole blocks only; edges are written
};
Status apply_to_file(io::File& file, std::span<const Change> changes, HolePunching& punching);

}  // namespace tlog::player
