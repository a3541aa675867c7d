// File: tests/crash/loop_mount.h
// An NBD export as a mounted ext4 of this host: export <- nbdfuse <- loop device <- ext4.
// Needs root, /dev/fuse and loop devices. nbdfuse is one connection and does not come back when the
// server dies. Threading: one thread.
#pragma once

#include <sys/types.h>

#include <string>

#include "tlog/base/result.h"

namespace tlog::crash {

class LoopMount {
 public:
  // Why there cannot be one on this machine; "" if there can.
  static std::string missing();

  // `directory`: for the mount points and the log.
  explicit LoopMount(std::string directory);
  ~LoopMount();  // detach()
  LoopMount(const LoopMount&) = delete;
  LoopMount& operator=(const LoopMount&) = delete;

  Status attach(const std::string& uri);
  Status mount();
  Status unmount();
  // Each layer in turn, whatever state it is in.
  void detach();

  const std::string& device() const { return loop_; }  // of the attached export
  std::string path() const { return directory_ + "/mnt"; }
  std::string log_path() const { return directory_ + "/mount.log"; }
  Status run(const std::string& command);

 private:
  const std::string directory_;
  pid_t fuse_ = -1;
  std::string loop_;
  bool mounted_ = false;
};

}  // namespace tlog::crash
