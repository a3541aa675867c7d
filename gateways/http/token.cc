#include "gateways/http/token.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>

#include "server/net/credential_files.h"

namespace tlog::gateway {
namespace {

constexpr std::size_t kTokenMin = 16;
constexpr std::size_t kTokenMax = 1024;
constexpr std::string_view kScheme = "Bearer ";

bool is_token_byte(std::byte byte) {
  const char c = static_cast<char>(byte);
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("-._~+/=").find(c) != std::string_view::npos;
}

}  // namespace

Result<BearerToken> BearerToken::load(io::FileSystem& files, const std::string& path) {
  BearerToken token;
  TLOG_ASSIGN(token.token_,
              net::read_credential(files, path, "token file", net::FileSecrecy::kSecret));
  auto& bytes = token.token_;
  while (!bytes.empty() && (bytes.back() == std::byte{'\n'} || bytes.back() == std::byte{'\r'})) {
    bytes.pop_back();
  }
  if (bytes.size() < kTokenMin || bytes.size() > kTokenMax ||
      !std::all_of(bytes.begin(), bytes.end(), is_token_byte)) {
    return fail(Code::kInvalidArgument,
                fmt::format("token file: {}: it is not one line of {} to {} letters, digits and "
                            "-._~+/=; `openssl rand -hex 32` makes one",
                            path, kTokenMin, kTokenMax));
  }
  return token;
}

BearerToken::Secret BearerToken::header() const {
  const auto scheme = std::as_bytes(std::span(kScheme));
  Secret header(scheme.begin(), scheme.end());
  header.insert(header.end(), token_.begin(), token_.end());
  return header;
}

bool BearerToken::allows(const std::string* header) const {
  if (header == nullptr || header->size() < kScheme.size() ||
      ::strncasecmp(header->c_str(), kScheme.data(), kScheme.size()) != 0) {
    return false;
  }
  const std::string_view guess = std::string_view(*header).substr(kScheme.size());
  if (guess.empty()) return false;
  // As many steps as the guess is long, whatever is in it.
  volatile unsigned difference = guess.size() == token_.size() ? 0 : 1;
  for (std::size_t i = 0; i < guess.size(); ++i) {
    difference = difference | (static_cast<unsigned>(static_cast<unsigned char>(guess[i])) ^
                               static_cast<unsigned>(token_[i % token_.size()]));
  }
  return difference == 0;
}

}  // namespace tlog::gateway
