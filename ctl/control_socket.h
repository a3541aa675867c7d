// File: ctl/control_socket.h
// The little that both ends of a control socket do with the operating system, each step bounded by
// a deadline. Threading: one thread per connection.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "tlog/base/types.h"

namespace tlog::control {

// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int number() const { return number_; }
  bool is_open() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

// A nonblocking, close-on-exec Unix stream socket.
Result<Descriptor> unix_socket();
// Connects without waiting: kNotFound (no such file), kUnavailable (nobody listens, or its queue is
// full).
Result<Descriptor> connect_unix(const std::string& path);
// Whether a server is behind the socket's file; without one, it was left behind. No file: false.
Result<bool> somebody_listens(const std::string& path);

std::uint64_t monotonic_ms();

// Until `descriptor` is ready for `events` (poll's); kTimeout at the deadline, kShutdown when
// `wake` is readable first.
Status wait_ready(int descriptor, short events, std::uint64_t deadline_ms, int wake = -1);
Status send_all(int descriptor, std::string_view bytes, std::uint64_t deadline_ms, int wake = -1);
// Appends what arrives to `buffer` until it has a whole line; takes the line out, without its
// newline. kNotFound when the peer has closed, kInvalidArgument when the line is longer than
// `bytes_max`.
Result<std::string> receive_line(int descriptor, std::string& buffer, std::size_t bytes_max,
                                 std::uint64_t deadline_ms, int wake = -1);

}  // namespace tlog::control
