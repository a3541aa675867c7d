// File: tests/crash/forgetful/power_stack.h
// A real file system whose power can be cut: image <- forgetful disk <- nbdfuse <- loop device <-
// ext4. Any program can keep its files in mount(). cut() kills the disk first, so that nothing more
// reaches it; the programs are to be killed after that; then up() brings disk and file system back
// as after a reboot. Needs root, /dev/fuse and loop devices. Threading: one thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "tests/crash/server.h"
#include "tlog/base/result.h"

namespace tlog::crash {

class PowerStack {
 public:
  // Why there cannot be one on this machine; "" if there can.
  static std::string missing();

  // `directory`: for the image, the sockets and the mount points. `landing`: land= of the disk at
  // each return.
  PowerStack(std::string directory, std::string plugin, std::string landing);
  ~PowerStack();
  PowerStack(const PowerStack&) = delete;
  PowerStack& operator=(const PowerStack&) = delete;

  // Makes the file system, and mounts it.
  Status create(std::uint64_t bytes);
  void cut();
  // After cut() and the end of every program that uses the mount. `seed`: of what landed.
  Status up(std::uint64_t seed);

  std::string mount() const { return directory_ + "/mnt"; }
  std::string log_path() const { return directory_ + "/stack.log"; }

 private:
  Status attach(std::uint64_t seed);
  Status mount_file_system();
  void down();
  Status run(const std::string& command);

  const std::string directory_;
  const std::string plugin_;
  const std::string landing_;
  std::unique_ptr<Server> disk_;
  pid_t fuse_ = -1;
  std::string loop_;
  bool mounted_ = false;
};

}  // namespace tlog::crash
