#include "server/net/credential_files.h"

#include <fmt/format.h>

#include <algorithm>

namespace tlog::net {
namespace {

constexpr std::size_t kFileBytesMax = 4 * kMiB;  // a bundle of all authorities has 200 KiB
constexpr std::size_t kIdentityMax = 128;
constexpr std::size_t kPskBytesMin = 16;
constexpr std::size_t kPskBytesMax = 64;

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

bool parse_hex(std::string_view text, SecretVector& into) {
  if (text.size() % 2 != 0) return false;
  into.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return false;
    into.push_back(static_cast<std::byte>(high * 16 + low));
  }
  return true;
}

}  // namespace

Result<SecretVector> read_credential(io::FileSystem& files, const std::string& path,
                                     const std::string& what, FileSecrecy secrecy) {
  const std::string object = fmt::format("tls: {}: {}", what, path);
  auto file = files.open(path, {});
  if (!file && file.error().code() == Code::kNotFound) {
    return fail(Code::kNotFound, fmt::format("{}: there is none; check the path", object));
  }
  if (!file) return fail(file.error().within(object));
  if (secrecy == FileSecrecy::kSecret) {
    auto mode = files.mode(path);
    if (!mode) return fail(mode.error().within(object));
    if ((*mode & 0077) != 0) {
      return fail(
          Code::kInvalidArgument,
          fmt::format("{}: mode {:04o} lets others use it; chmod 600 {}", object, *mode, path));
    }
  }
  TLOG_ASSIGN(const std::uint64_t size, (*file)->size());
  if (size > kFileBytesMax) {
    return fail(Code::kInvalidArgument,
                fmt::format("{}: {} bytes, too long for what it should be", object, size));
  }
  SecretVector bytes(size);
  auto length = (*file)->read(0, bytes);
  if (!length) return fail(length.error().within(object));
  bytes.resize(*length);
  return bytes;
}

Result<std::map<std::string, SecretVector>> parse_psks(const SecretVector& text,
                                                       const std::string& path) {
  std::map<std::string, SecretVector> keys;
  std::string_view rest(reinterpret_cast<const char*>(text.data()), text.size());
  for (int number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    const std::size_t colon = line.rfind(':');
    SecretVector key;
    if (colon == std::string_view::npos || colon == 0 || colon > kIdentityMax ||
        !parse_hex(line.substr(colon + 1), key) || key.size() < kPskBytesMin ||
        key.size() > kPskBytesMax) {
      return fail(Code::kInvalidArgument,
                  fmt::format("tls: psk file: {}: line {} is not \"identity:hex\" with a key of {} "
                              "to {} bytes; `psktool -u NAME -p FILE` makes one",
                              path, number, kPskBytesMin, kPskBytesMax));
    }
    keys[std::string(line.substr(0, colon))] = std::move(key);
  }
  if (keys.empty()) {
    return fail(
        Code::kInvalidArgument,
        fmt::format("tls: psk file: {}: no keys; `psktool -u NAME -p FILE` makes one", path));
  }
  return keys;
}

}  // namespace tlog::net
