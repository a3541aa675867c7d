// File: tests/support/nbd_client.h
// A libnbd handle that closes itself, and the calls tests make again and again. It sends what it is
// told, also what the server has said it will refuse. Errors are std::runtime_error with libnbd's
// text, errno_of_last() has the number. Threading: one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tlog/base/types.h"

struct nbd_handle;

namespace tlog::testing {

struct NbdExtent {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint32_t type = 0;  // 1: hole, 2: zero
  friend bool operator==(const NbdExtent&, const NbdExtent&) = default;
};

using Bytes = std::vector<std::byte>;
Bytes pattern(std::size_t size, std::uint64_t seed);

class NbdClient {
 public:
  explicit NbdClient(const std::string& uri);
  ~NbdClient();
  NbdClient(const NbdClient&) = delete;
  NbdClient& operator=(const NbdClient&) = delete;

  nbd_handle* get() { return handle_; }
  std::uint64_t size();

  // Each throws when it fails; `flags` are libnbd's LIBNBD_CMD_FLAG_*.
  Bytes read(std::uint64_t offset, std::size_t size);
  void write(std::uint64_t offset, const Bytes& bytes, std::uint32_t flags = 0);
  void flush();
  void trim(std::uint64_t offset, std::uint64_t length, std::uint32_t flags = 0);
  void zero(std::uint64_t offset, std::uint64_t length, std::uint32_t flags = 0);
  void cache(std::uint64_t offset, std::uint64_t length);
  // Of base:allocation; neighbours of one type are joined.
  std::vector<NbdExtent> extents(std::uint64_t offset, std::uint64_t length,
                                 std::uint32_t flags = 0);

  // Sends the request without waiting for its answer; answers libnbd's cookie. The bytes must stay
  // until then.
  std::int64_t send_write(std::uint64_t offset, const Bytes& bytes, std::uint32_t flags = 0);
  std::int64_t send_flush();
  std::int64_t send_read(std::uint64_t offset, Bytes& into);
  // Waits for that answer: 0, or the errno; ETIMEDOUT when it does not come in time.
  int await(std::int64_t cookie, int timeout_ms = 30'000);

  // The errno of the last call that threw.
  int errno_of_last() const { return errno_of_last_; }

 private:
  void check(int result);

  nbd_handle* handle_;
  int errno_of_last_ = 0;
};

}  // namespace tlog::testing
