#include "tlog/etcd/http.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <mutex>

#include "tlog/base/clock.h"

namespace tlog::etcd {
namespace {

constexpr long kConnectMs = 2'000;

void initialise_library() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

}  // namespace

struct Http::Handles {
  CURLM* multi = curl_multi_init();
  CURL* easy = curl_easy_init();
  curl_slist* headers = curl_slist_append(nullptr, "Content-Type: application/json");
  ~Handles() {
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
  }
};

struct Http::Transfer {
  const HttpRequest* request = nullptr;
  std::string bytes;  // all that came, or the beginning of a line
  bool is_enough = false;
  bool is_too_long = false;
};

Http::Http(std::string ca_file)
    : ca_file_(std::move(ca_file)), handles_((initialise_library(), std::make_unique<Handles>())) {}

Http::~Http() = default;

std::size_t Http::take(char* bytes, std::size_t size, std::size_t count, void* opaque) {
  Transfer& transfer = *static_cast<Transfer*>(opaque);
  const std::size_t length = size * count;
  if (transfer.bytes.size() + length > transfer.request->bytes_max) {
    transfer.is_too_long = true;
    return 0;  // ends the transfer
  }
  transfer.bytes.append(bytes, length);
  if (!transfer.request->on_line) return length;
  for (std::size_t end; (end = transfer.bytes.find('\n')) != std::string::npos;) {
    const std::string line = transfer.bytes.substr(0, end);
    transfer.bytes.erase(0, end + 1);
    if (!transfer.request->on_line(line)) {
      transfer.is_enough = true;
      return 0;
    }
  }
  return length;
}

Result<std::string> Http::post(const HttpRequest& request) {
  if (woken_) return fail(Code::kShutdown, request.url + ": the server stops");
  CURL* easy = handles_->easy;
  Transfer transfer{.request = &request, .bytes = {}};
  curl_easy_reset(easy);
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_PROXY, "");  // no proxy of the environment's between us and etcd
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectMs);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(std::max<std::uint64_t>(request.timeout_ns / kNsPerMs, 1)));
  curl_slist* headers = handles_->headers;
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> own(nullptr, &curl_slist_free_all);
  if (!request.token.empty()) {
    own.reset(curl_slist_append(nullptr, "Content-Type: application/json"));
    curl_slist_append(own.get(), ("Authorization: " + request.token).c_str());
    headers = own.get();
  }
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.c_str());
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(request.body.size()));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Http::take);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  if (!ca_file_.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file_.c_str());
  if (curl_multi_add_handle(handles_->multi, easy) != CURLM_OK) {
    return fail(Code::kUnavailable, request.url + ": no memory for a request");
  }
  int code = CURLE_OK;
  for (int running = 1; running != 0 && !woken_;) {
    const bool goes_on = curl_multi_perform(handles_->multi, &running) == CURLM_OK;
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(handles_->multi, &left)) {
      if (message->msg == CURLMSG_DONE) code = message->data.result;
    }
    if (!goes_on || running == 0) break;
    constexpr int kLookMs = 1'000;
    if (curl_multi_poll(handles_->multi, nullptr, 0, kLookMs, nullptr) != CURLM_OK) break;
  }
  auto result = finish(transfer, code, request.url);
  curl_multi_remove_handle(handles_->multi, easy);
  return result;
}

Result<std::string> Http::finish(Transfer& transfer, int code, const std::string& url) const {
  if (woken_) return fail(Code::kShutdown, url + ": the server stops");
  if (transfer.is_enough) return std::string();
  if (transfer.is_too_long) {
    return fail(Code::kInvalidArgument, fmt::format("{}: the answer is longer than {} bytes", url,
                                                    transfer.request->bytes_max));
  }
  const auto result = static_cast<CURLcode>(code);
  if (result != CURLE_OK) {
    return fail(result == CURLE_OPERATION_TIMEDOUT ? Code::kTimeout : Code::kUnavailable,
                fmt::format("{}: {}", url, curl_easy_strerror(result)));
  }
  long status = 0;
  curl_easy_getinfo(handles_->easy, CURLINFO_RESPONSE_CODE, &status);
  if (status > 299) {
    constexpr std::size_t kShown = 200;
    constexpr long kUnauthorized = 401;
    const Code why = status >= 500             ? Code::kUnavailable
                     : status == kUnauthorized ? Code::kFenced
                                               : Code::kInvalidArgument;
    return fail(why,
                fmt::format("{}: status {}: {}", url, status, transfer.bytes.substr(0, kShown)));
  }
  return std::move(transfer.bytes);
}

bool Http::pause(std::uint64_t time_ns) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(time_ns);
  while (!woken_) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return true;
    if (curl_multi_poll(handles_->multi, nullptr, 0, static_cast<int>(left.count()), nullptr) !=
        CURLM_OK) {
      return !woken_;
    }
  }
  return false;
}

void Http::wake() {
  woken_ = true;
  curl_multi_wakeup(handles_->multi);
}

}  // namespace tlog::etcd
