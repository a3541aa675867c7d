// File: tlog/io/bound_socket.h
// A socket that listens, with the file it has when it is a Unix one.
// Threading: a value; one thread at a time. Blocks for a moment (names, another's start or end).
// Errors: name the address, the reason and what to do.
#pragma once

#include <sys/types.h>

#include <string>

#include "tlog/io/loop.h"

namespace tlog::io {

class BoundSocket {
 public:
  static Result<BoundSocket> open(const ListenOptions& options);
  BoundSocket(BoundSocket&& other) noexcept;
  BoundSocket& operator=(BoundSocket&&) = delete;
  ~BoundSocket() { close(); }

  int descriptor() const { return descriptor_; }
  const std::string& address() const { return address_; }  // with the real port
  void remove_file();                                      // a Unix socket's, if it is still ours
  void close();

 private:
  BoundSocket() = default;
  Status open_tcp(const std::string& address);
  Status open_unix(const ListenOptions& options);

  int descriptor_ = -1;
  std::string address_;
  std::string path_;  // "": none
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace tlog::io
