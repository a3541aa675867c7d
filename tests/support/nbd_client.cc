#include "tests/support/nbd_client.h"

#include <libnbd.h>

#include <cerrno>
#include <chrono>
#include <random>
#include <stdexcept>
#include <utility>

namespace tlog::testing {

Bytes pattern(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() | 1);  // never zero
  return bytes;
}

NbdClient::NbdClient(const std::string& uri) : handle_(nbd_create()) {
  if (handle_ == nullptr) throw std::runtime_error(nbd_get_error());
  nbd_set_strict_mode(handle_, 0);
  nbd_add_meta_context(handle_, LIBNBD_CONTEXT_BASE_ALLOCATION);
  if (nbd_connect_uri(handle_, uri.c_str()) == -1) {
    std::string message = nbd_get_error();
    nbd_close(handle_);
    throw std::runtime_error(message);
  }
}

NbdClient::~NbdClient() {
  nbd_close(handle_);
}

void NbdClient::check(int result) {
  if (result != -1) return;
  errno_of_last_ = nbd_get_errno();
  throw std::runtime_error(nbd_get_error());
}

std::uint64_t NbdClient::size() {
  const std::int64_t size = nbd_get_size(handle_);
  check(size == -1 ? -1 : 0);
  return static_cast<std::uint64_t>(size);
}

Bytes NbdClient::read(std::uint64_t offset, std::size_t size) {
  Bytes bytes(size);
  check(nbd_pread(handle_, bytes.data(), size, offset, 0));
  return bytes;
}

void NbdClient::write(std::uint64_t offset, const Bytes& bytes, std::uint32_t flags) {
  check(nbd_pwrite(handle_, bytes.data(), bytes.size(), offset, flags));
}

void NbdClient::flush() {
  check(nbd_flush(handle_, 0));
}

void NbdClient::trim(std::uint64_t offset, std::uint64_t length, std::uint32_t flags) {
  check(nbd_trim(handle_, length, offset, flags));
}

void NbdClient::zero(std::uint64_t offset, std::uint64_t length, std::uint32_t flags) {
  check(nbd_zero(handle_, length, offset, flags));
}

void NbdClient::cache(std::uint64_t offset, std::uint64_t length) {
  check(nbd_cache(handle_, length, offset, 0));
}

std::vector<NbdExtent> NbdClient::extents(std::uint64_t offset, std::uint64_t length,
                                          std::uint32_t flags) {
  std::vector<NbdExtent> result;
  const auto collect = [](void* user, const char* context, std::uint64_t start,
                          std::uint32_t* entries, std::size_t count, int*) {
    if (std::string_view(context) != LIBNBD_CONTEXT_BASE_ALLOCATION) return 0;
    auto& into = *static_cast<std::vector<NbdExtent>*>(user);
    for (std::size_t i = 0; i + 1 < count; i += 2) {
      if (!into.empty() && into.back().type == entries[i + 1]) {
        into.back().length += entries[i];
      } else {
        into.push_back({start, entries[i], entries[i + 1]});
      }
      start += entries[i];
    }
    return 0;
  };
  check(nbd_block_status(
      handle_, length, offset,
      nbd_extent_callback{.callback = collect, .user_data = &result, .free = nullptr}, flags));
  return result;
}

std::int64_t NbdClient::send_write(std::uint64_t offset, const Bytes& bytes, std::uint32_t flags) {
  const std::int64_t cookie =
      nbd_aio_pwrite(handle_, bytes.data(), bytes.size(), offset, NBD_NULL_COMPLETION, flags);
  check(cookie == -1 ? -1 : 0);
  return cookie;
}

std::int64_t NbdClient::send_flush() {
  const std::int64_t cookie = nbd_aio_flush(handle_, NBD_NULL_COMPLETION, 0);
  check(cookie == -1 ? -1 : 0);
  return cookie;
}

std::int64_t NbdClient::send_read(std::uint64_t offset, Bytes& into) {
  const std::int64_t cookie =
      nbd_aio_pread(handle_, into.data(), into.size(), offset, NBD_NULL_COMPLETION, 0);
  check(cookie == -1 ? -1 : 0);
  return cookie;
}

int NbdClient::await(std::int64_t cookie, int timeout_ms) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    const int done = nbd_aio_command_completed(handle_, static_cast<std::uint64_t>(cookie));
    if (done == 1) return 0;
    if (done == -1) return errno_of_last_ = nbd_get_errno();
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return errno_of_last_ = ETIMEDOUT;
    if (nbd_poll(handle_, static_cast<int>(left.count())) == -1)
      return errno_of_last_ = nbd_get_errno();
  }
}

}  // namespace tlog::testing
