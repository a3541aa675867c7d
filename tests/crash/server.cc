#include "tests/crash/server.h"

#include <libnbd.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <memory>

#include <fmt/core.h>

#include "tests/crash/process.h"
#include "tests/support/free_port.h"
#include "tlog/base/assert.h"

namespace tlog::crash {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr std::uint64_t kReadBytes = kMiB;

struct Close {
  void operator()(nbd_handle* nbd) const { nbd_close(nbd); }
};
using Nbd = std::unique_ptr<nbd_handle, Close>;

tl::unexpected<Error> nbd_failure(const std::string& what) {
  return fail(Code::kIoError, fmt::format("{}: {}", what, nbd_get_error()));
}

Result<Nbd> connect(const std::string& uri) {
  Nbd nbd(nbd_create());
  if (!nbd) return nbd_failure("nbd_create");
  if (nbd_connect_uri(nbd.get(), uri.c_str()) == -1) return nbd_failure("connect: " + uri);
  return nbd;
}

// One look every few milliseconds, at a condition and until a deadline.
void short_pause() {
  const timespec pause{.tv_sec = 0, .tv_nsec = 2'000'000};
  nanosleep(&pause, nullptr);
}

}  // namespace

Server::Server(ServerOptions options)
    : options_(std::move(options)),
      port_(options_.tcp ? static_cast<std::uint16_t>(testing::free_port()) : std::uint16_t{0}) {}

Server::~Server() {
  (void)kill();  // a destructor has nobody to tell
}

std::string Server::uri() const {
  if (port_ != 0) return fmt::format("nbd://127.0.0.1:{}/{}", port_, options_.export_name);
  return "nbd+unix:///" + options_.export_name + "?socket=" + socket();
}

std::string Server::command() const {
  return expand(
      options_.command,
      {{"socket", socket()}, {"dir", options_.directory}, {"port", std::to_string(port_)}});
}

Status Server::launch() {
  unlink(socket().c_str());
  TLOG_ASSIGN(pid_, spawn({.command = "exec " + command(),
                           .log_path = log_path(),
                           .directory = options_.directory}));
  return {};
}

Status Server::start() {
  const auto started = SteadyClock::now();
  TLOG_TRY(launch());
  const auto deadline = started + std::chrono::milliseconds(options_.start_timeout_ms);
  while (true) {
    // Connecting before the socket exists would cost a failed handshake each time.
    if ((port_ != 0 || access(socket().c_str(), F_OK) == 0) && connect(uri())) break;
    if (!alive()) {
      return fail(Code::kIoError,
                  fmt::format("start: {}: {}: {}", command(), last_end_, tail_of(log_path())));
    }
    if (SteadyClock::now() > deadline) {
      return fail(Code::kTimeout,
                  fmt::format("start: {}: serves nothing after {} ms: {}", command(),
                              options_.start_timeout_ms, tail_of(log_path())));
    }
    short_pause();
  }
  last_start_seconds_ = std::chrono::duration<double>(SteadyClock::now() - started).count();
  return {};
}

bool Server::alive() {
  if (pid_ <= 0) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return true;
  last_end_ = wait_status_text(status);
  pid_ = -1;
  return false;
}

bool Server::ends_within(unsigned timeout_ms) {
  if (!alive()) return true;
  const auto status = wait_process(pid_, timeout_ms);
  if (!status) return false;
  last_end_ = wait_status_text(*status);
  pid_ = -1;
  return true;
}

Status Server::end(int signal_number, unsigned timeout_ms) {
  if (!alive()) return {};
  ::kill(pid_, signal_number);  // one just launched may not lead its group yet
  ::kill(-pid_, signal_number);
  TLOG_ASSIGN(const int status, wait_process(pid_, timeout_ms));
  last_end_ = wait_status_text(status);
  pid_ = -1;
  return {};
}

Status Server::kill() {
  return end(SIGKILL, 30'000);
}
Status Server::terminate(unsigned timeout_ms) {
  return end(SIGTERM, timeout_ms);
}

Result<std::uint64_t> export_bytes(const std::string& uri) {
  TLOG_ASSIGN(const Nbd nbd, connect(uri));
  const std::int64_t size = nbd_get_size(nbd.get());
  if (size < 0) return nbd_failure("size: " + uri);
  return static_cast<std::uint64_t>(size);
}

Image image_of(ConstByteSpan bytes) {
  Image image(bytes.size() / kCellBytes);
  for (std::size_t cell = 0; cell < image.size(); ++cell) {
    image[cell] = read_stamp(bytes.subspan(cell * kCellBytes, kCellBytes), cell);
  }
  return image;
}

Result<Image> read_image(const std::string& uri, std::string* bytes) {
  TLOG_ASSIGN(const Nbd nbd, connect(uri));
  const std::int64_t size = nbd_get_size(nbd.get());
  if (size < 0) return nbd_failure("size: " + uri);
  std::string all(static_cast<std::size_t>(size), '\0');
  for (std::uint64_t at = 0; at < all.size(); at += kReadBytes) {
    const std::uint64_t length = std::min<std::uint64_t>(kReadBytes, all.size() - at);
    if (nbd_pread(nbd.get(), all.data() + at, length, at, 0) == -1) {
      return nbd_failure(fmt::format("read: {}: {} bytes at {}", uri, length, at));
    }
  }
  Image image = image_of(bytes_of(std::string_view(all)));
  (void)nbd_shutdown(nbd.get(), 0);  // a polite end; what was read is complete either way
  if (bytes != nullptr) *bytes = std::move(all);
  return image;
}

}  // namespace tlog::crash
