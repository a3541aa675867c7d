#include "gateways/messages/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <string_view>

#include "gateways/http/token.h"
#include "tlog/base/wipe.h"

namespace tlog::messages {
namespace {

constexpr std::size_t kReplyMax = 256 * kMiB;
constexpr long kConnectTimeoutMs = 10'000;
constexpr std::uint64_t kNsPerMillisecond = 1'000'000;

struct EndCurl {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};
struct EndList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::size_t take_piece(char* bytes, std::size_t size, std::size_t count, void* body) {
  auto& text = *static_cast<std::string*>(body);
  const std::size_t length = size * count;
  if (length > kReplyMax - text.size()) return 0;  // ends the transfer
  text.append(bytes, length);
  return length;
}

class Curl final : public HttpClient {
 public:
  explicit Curl(ClientPlace place) : place_(std::move(place)), curl_(curl_easy_init()) {}

  Status begin() {
    if (!curl_) return fail(Code::kUnavailable, "http: libcurl does not start");
    if (place_.token_file.empty()) return {};
    TLOG_ASSIGN(const auto token,
                gateway::BearerToken::load(io::system_files(), place_.token_file));
    const gateway::BearerToken::Secret value = token.header();
    std::string header = "Authorization: ";
    header.append(reinterpret_cast<const char*>(value.data()), value.size());
    headers_.reset(curl_slist_append(nullptr, header.c_str()));
    wipe(std::as_writable_bytes(std::span(header)));
    return {};
  }

  Result<ClientReply> ask(const std::string& path, const std::string* body,
                          std::uint64_t timeout_ns) override {
    ClientReply reply;
    const std::string url = place_.url + path;
    curl_easy_reset(curl_.get());
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
    if (timeout_ns != 0) set(CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_ns / kNsPerMillisecond));
    set(CURLOPT_TCP_KEEPALIVE, 1L);
    set(CURLOPT_WRITEFUNCTION, take_piece);
    set(CURLOPT_WRITEDATA, &reply.body);
    if (!place_.ca_file.empty()) set(CURLOPT_CAINFO, place_.ca_file.c_str());
    if (headers_) set(CURLOPT_HTTPHEADER, headers_.get());
    if (body != nullptr) {
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
      set(CURLOPT_POSTFIELDS, body->data());
    }
    char why[CURL_ERROR_SIZE] = {};
    set(CURLOPT_ERRORBUFFER, why);
    const CURLcode code = curl_easy_perform(curl_.get());
    set(CURLOPT_ERRORBUFFER, nullptr);
    if (code != CURLE_OK) {
      return fail(code == CURLE_OPERATION_TIMEDOUT ? Code::kTimeout : Code::kUnavailable,
                  fmt::format("ask: {}: {}", url,
                              why[0] != '\0' ? std::string_view(why) : curl_easy_strerror(code)));
    }
    long status = 0;
    curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &status);
    reply.status = static_cast<unsigned>(status);
    return reply;
  }

 private:
  template <class Value>
  void set(CURLoption option, Value value) {
    curl_easy_setopt(curl_.get(), option, value);
  }

  const ClientPlace place_;
  std::unique_ptr<CURL, EndCurl> curl_;
  std::unique_ptr<curl_slist, EndList> headers_;
};

}  // namespace

Result<std::unique_ptr<HttpClient>> HttpClient::open(const ClientPlace& place) {
  if (!place.url.starts_with("http://") && !place.url.starts_with("https://")) {
    return fail(
        Code::kInvalidArgument,
        fmt::format("ask: '{}': expected an address such as http://127.0.0.1:5000", place.url));
  }
  ClientPlace wanted = place;
  while (wanted.url.ends_with('/')) wanted.url.pop_back();
  auto curl = std::make_unique<Curl>(std::move(wanted));
  TLOG_TRY(curl->begin());
  return std::unique_ptr<HttpClient>(std::move(curl));
}

}  // namespace tlog::messages
