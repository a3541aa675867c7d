#include "server/program/storage_addresses.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "tlog/base/limits.h"

namespace tlog::program {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::size_t kDatabaseMax = 64;

bool is_database(std::string_view text) {
  return !text.empty() && text.size() <= kDatabaseMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '_' || c == '-';
         });
}

// The database of a Unix socket's address is what stands behind the last '@' of it, unless that is
// a part of the path.
std::size_t database_at(std::string_view text) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos) return at;
  return text.find('/', at) == std::string_view::npos ? at : std::string_view::npos;
}

Result<StoreAddress> parse_one(std::string_view text) {
  const auto wrong = [&](std::string_view reason) {
    return fail(Code::kInvalidArgument,
                fmt::format("'{}': {}; expected host:port[@db] or unix:/path[@db]", text, reason));
  };
  StoreAddress store;
  const std::size_t at = database_at(text);
  store.address = text.substr(0, at);
  if (at != std::string_view::npos) {
    store.db = text.substr(at + 1);
    if (!is_database(store.db)) return wrong("not a database behind '@'");
  }
  if (store.address.starts_with(kUnix)) {
    const std::size_t path_bytes = store.address.size() - kUnix.size();
    if (path_bytes < 2 || store.address[kUnix.size()] != '/') return wrong("not an absolute path");
    if (path_bytes > kSocketPathMax) return wrong("the path is too long for a socket");
    return store;
  }
  if (Status checked = check_host_port(store.address, false); !checked) {
    return wrong(checked.error().message());
  }
  return store;
}

}  // namespace

Result<HostPort> split_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return fail(Code::kInvalidArgument, "there is no port");
  }
  HostPort split{.host = std::string(text.substr(0, colon)),
                 .port = std::string(text.substr(colon + 1))};
  if (split.host.starts_with('[') && split.host.ends_with(']') && split.host.size() > 2) {
    split.host = split.host.substr(1, split.host.size() - 2);
  } else if (split.host.find_first_of(":[]") != std::string::npos) {
    return fail(Code::kInvalidArgument, "an IPv6 address needs brackets, as in [::1]:11211");
  }
  return split;
}

Status check_host_port(std::string_view text, bool may_lack_host) {
  TLOG_ASSIGN(const HostPort split, split_host_port(text));
  if (split.host.empty() && !may_lack_host) {
    return fail(Code::kInvalidArgument, "there is no host");
  }
  if (split.host.find_first_of(" \t/@,") != std::string::npos) {
    return fail(Code::kInvalidArgument, "not a host's name");
  }
  unsigned port = 0;
  const char* end = split.port.data() + split.port.size();
  const auto read = std::from_chars(split.port.data(), end, port);
  if (read.ec != std::errc() || read.ptr != end || port > 65535) {
    return fail(Code::kInvalidArgument,
                fmt::format("'{}' is not a port, expected 0 to 65535", split.port));
  }
  return {};
}

Result<std::vector<StoreAddress>> parse_storage_addresses(std::string_view text) {
  std::vector<StoreAddress> stores;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    TLOG_ASSIGN(StoreAddress store, parse_one(text.substr(begin, end - begin)));
    // Two shards on one server are lost together.
    if (std::find(stores.begin(), stores.end(), store) != stores.end()) {
      return fail(Code::kInvalidArgument,
                  fmt::format("'{}': named twice; every store is to be one of its own",
                              text.substr(begin, end - begin)));
    }
    stores.push_back(std::move(store));
    if (stores.size() > kClusterStoresMax) {
      return fail(Code::kInvalidArgument, fmt::format("more than {} stores", kClusterStoresMax));
    }
    begin = end + 1;
  }
  return stores;
}

}  // namespace tlog::program
