#include "tlog/io/bound_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <utility>

#include "tlog/base/clock.h"
#include "tlog/io/address.h"

namespace tlog::io {
namespace {

// Longer than a start takes, short enough for who waits for the error.
constexpr std::uint64_t kDirectoryWaitNs = 2'000'000'000;
constexpr useconds_t kDirectoryPollUs = 5'000;
// io_uring lets go of a socket some time after the end of the process it belonged to: who starts a
// killed server again at once would find its address in use.
constexpr std::uint64_t kInUseWaitNs = 1'000'000'000;
constexpr useconds_t kInUsePollUs = 20'000;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

Error listen_error(int reason, const std::string& address) {
  std::string_view remedy;
  if (reason == EADDRINUSE) remedy = "; another process listens there: stop it or choose a port";
  if (reason == EADDRNOTAVAIL) remedy = "; no interface of this machine has that address";
  if (reason == EACCES) remedy = "; a port below 1024 or a directory that this user may not use";
  const Error error = os_error(reason, fmt::format("listen: {}", address));
  return Error(error.code() == Code::kNotFound ? Code::kUnavailable : error.code(),
               fmt::format("{}{}", error.message(), remedy));
}

int new_socket(int family) {
  return ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

// Two processes that start at once must not both find the same file stale. The directory's lock
// needs no file of its own and ends with the process.
Status lock_directory(const Descriptor& directory, const std::string& address) {
  const std::uint64_t end = system_clock().monotonic_ns() + kDirectoryWaitNs;
  while (::flock(directory.number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return fail(listen_error(errno, address));
    if (system_clock().monotonic_ns() > end) {
      return fail(Code::kUnavailable,
                  fmt::format("listen: {}: another process holds a lock on the directory; end it "
                              "or choose another directory",
                              address));
    }
    ::usleep(kDirectoryPollUs);
  }
  return {};
}

// Asks until it is not in use any more, or for as long as an ended process may hold it.
void wait_while(const std::function<bool()>& in_use) {
  const std::uint64_t end = system_clock().monotonic_ns() + kInUseWaitNs;
  while (in_use() && system_clock().monotonic_ns() < end) ::usleep(kInUsePollUs);
}

// The reason for which it failed, 0 when it did not.
int bind_when_free(const Descriptor& socket, const SocketAddress& at) {
  int reason = 0;
  wait_while([&] {
    reason = ::bind(socket.number(), at.get(), at.length) == 0 ? 0 : errno;
    return reason == EADDRINUSE;
  });
  return reason;
}

// True: somebody accepts connections there.
Result<bool> is_live(const std::string& address, const SocketAddress& at) {
  Descriptor probe(new_socket(AF_UNIX));
  if (probe.number() < 0) return fail(listen_error(errno, address));
  if (::connect(probe.number(), at.get(), at.length) == 0) return true;
  if (errno == ECONNREFUSED || errno == ENOENT) return false;
  if (errno == EAGAIN) return true;  // its queue is full
  return fail(listen_error(errno, address));
}

// The file of a process that has died goes; anything else stays.
Status remove_stale_file(const std::string& address, const std::string& path,
                         const SocketAddress& at) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return {};
    return fail(listen_error(errno, address));
  }
  if (!S_ISSOCK(found.st_mode)) {
    return fail(
        Code::kAlreadyExists,
        fmt::format("listen: {}: exists and is not a socket; choose another path", address));
  }
  Result<bool> live = false;
  wait_while([&] {
    live = is_live(address, at);
    return live && *live;
  });
  if (!live) return fail(live.error());
  if (*live) {
    return fail(
        Code::kUnavailable,
        fmt::format("listen: {}: another process listens there; stop it or choose another path",
                    address));
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail(listen_error(errno, address));
  return {};
}

std::string bound_text(int descriptor, const std::string& asked) {
  SocketAddress bound;
  bound.length = sizeof bound.storage;
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&bound.storage), &bound.length) != 0) {
    return asked;
  }
  return address_text(bound);
}

}  // namespace

BoundSocket::BoundSocket(BoundSocket&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      address_(std::move(other.address_)),
      path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

Result<BoundSocket> BoundSocket::open(const ListenOptions& options) {
  BoundSocket result;
  if (is_unix_address(options.address)) {
    TLOG_TRY(result.open_unix(options));
  } else {
    TLOG_TRY(result.open_tcp(options.address));
  }
  if (::listen(result.descriptor_, SOMAXCONN) != 0) {
    return fail(listen_error(errno, options.address));
  }
  return result;
}

Status BoundSocket::open_tcp(const std::string& address) {
  TLOG_ASSIGN(const HostPort name, split_address("listen", address));
  SocketAddresses found;
  const int looked_up = look_up(name, AI_PASSIVE, found);
  if (looked_up != 0) {
    return fail(Code::kInvalidArgument, fmt::format("listen: {}: {}; check the name and the port",
                                                    address, ::gai_strerror(looked_up)));
  }
  int reason = EADDRNOTAVAIL;
  for (const SocketAddress& at : found) {
    Descriptor socket(new_socket(at.storage.ss_family));
    const int on = 1;
    const int off = 0;
    if (socket.number() >= 0) {
      (void)::setsockopt(socket.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      // "[::]" takes IPv4 clients too, whatever the system's default is.
      (void)::setsockopt(socket.number(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    reason = socket.number() < 0 ? errno : bind_when_free(socket, at);
    if (reason != 0) continue;
    descriptor_ = socket.release();
    address_ = bound_text(descriptor_, address);
    return {};
  }
  return fail(listen_error(reason, address));
}

Status BoundSocket::open_unix(const ListenOptions& options) {
  const std::string& address = options.address;
  TLOG_ASSIGN(const SocketAddress at, unix_address("listen", address));
  const std::string path = unix_path(address);
  const std::string parent = path.find('/') == std::string::npos ? "." : parent_path(path);
  Descriptor directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.number() < 0) return fail(listen_error(errno, address));
  TLOG_TRY(lock_directory(directory, address));
  TLOG_TRY(remove_stale_file(address, path, at));

  Descriptor socket(new_socket(AF_UNIX));
  if (socket.number() < 0) return fail(listen_error(errno, address));
  // On Linux the socket's mode becomes its file's: at no moment may others connect.
  if (::fchmod(socket.number(), S_IRUSR | S_IWUSR) != 0 ||
      ::bind(socket.number(), at.get(), at.length) != 0) {
    return fail(listen_error(errno, address));
  }
  struct stat made {};
  if (::lstat(path.c_str(), &made) != 0) return fail(listen_error(errno, address));
  descriptor_ = socket.release();
  address_ = address;
  path_ = path;
  device_ = made.st_dev;
  inode_ = made.st_ino;
  // Under the directory's lock: until it listens it looks like one that was left behind.
  if (::listen(descriptor_, SOMAXCONN) != 0 || ::chmod(path.c_str(), options.unix_mode) != 0) {
    const int reason = errno;
    remove_file();
    return fail(listen_error(reason, address));
  }
  return {};
}

void BoundSocket::remove_file() {
  struct stat found {};
  if (!path_.empty() && ::lstat(path_.c_str(), &found) == 0 && found.st_dev == device_ &&
      found.st_ino == inode_) {
    (void)::unlink(path_.c_str());  // one that stays is found stale by the next process
  }
  path_.clear();
}

void BoundSocket::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

}  // namespace tlog::io
