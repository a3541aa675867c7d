// File: tests/crash/forgetful/power_stack.h
// A real file system whose power can be cut: image <- forgetful disk <- nbdfuse <- loop device <-
// ext4. Any program can keep its files in mount(). cut() kills the disk first, so that nothing more
// reaches it; the programs are to be killed after that; then up() brings disk and file system back
// as after a reboot. Threading: one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tests/crash/loop_mount.h"
#include "tests/crash/server.h"
#include "tlog/base/result.h"

namespace tlog::crash {

class PowerStack {
 public:
  // `directory`: for the image, the sockets and the mount points. `landing`: land= of the disk at
  // each return.
  PowerStack(std::string directory, std::string plugin, std::string landing);

  // Makes the file system, and mounts it.
  Status create(std::uint64_t bytes);
  void cut();
  // After cut() and the end of every program that uses the mount. `seed`: of what landed. A file
  // system that does not mount is mended with e2fsck, once.
  Status up(std::uint64_t seed);

  std::string mount() const { return layers_.path(); }
  std::string image() const { return directory_ + "/disk.img"; }

 private:
  const std::string directory_;
  const std::string plugin_;
  const std::string landing_;
  std::unique_ptr<Server> disk_;
  LoopMount layers_;  // goes before the disk under it
};

}  // namespace tlog::crash
