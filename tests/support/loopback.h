// File: tests/support/loopback.h
// Sockets of test doubles: "127.0.0.1:PORT" or "unix:/path".
// Threading: values; one thread at a time each. Errors: std::runtime_error.
#pragma once

#include <sys/socket.h>

#include <string>
#include <utility>

namespace tlog::testing {

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  int number() const { return number_; }
  bool is_open() const { return number_ >= 0; }
  void reset();

 private:
  int number_;
};

struct SocketAddress {
  explicit SocketAddress(const std::string& text);
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  bool is_unix() const { return storage.ss_family == AF_UNIX; }

  sockaddr_storage storage{};
  socklen_t length = 0;
};

// A socket that is connecting to `address`, or is connected. Not blocking: with errno EINPROGRESS
// the end of the connecting shows itself as writability. Throws when it is refused at once.
Descriptor begin_connecting(const std::string& address);
// Waits for the connection.
Descriptor connect_to(const std::string& address);

// An address of this machine that is not loopback ("192.0.2.7"); "" when it has none. Who connects
// to it comes from it, and never leaves the machine.
std::string outer_address();

// Accepts connections; port 0: the kernel chooses. While it is closed clients are refused, and
// nobody else gets the port.
class Listener {
 public:
  explicit Listener(const std::string& address);

  const std::string& address() const { return address_; }  // with the port that was chosen
  int number() const { return socket_.number(); }
  bool is_open() const { return socket_.is_open(); }
  void open();
  void close() { socket_.reset(); }
  // Not blocking, like the socket it answers; not open: there is nobody.
  Descriptor accept();

 private:
  std::string address_;
  Descriptor holder_;  // bound to the port, never listening
  Descriptor socket_;
};

}  // namespace tlog::testing
