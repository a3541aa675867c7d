#include "gateways/sync/transfer.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <memory>
#include <mutex>
#include <optional>

namespace tlog::logset {
namespace {

constexpr long kConnectSeconds = 10;
constexpr long kSilenceSeconds = 60;
constexpr std::size_t kReasonMax = 500;
constexpr long kBufferBytes = 256 * 1024;

struct FreeHeaders {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Headers = std::unique_ptr<curl_slist, FreeHeaders>;

struct Running {
  const TransferRequest* request = nullptr;
  CURL* easy = nullptr;
  std::optional<Error> error;  // of a callback
  std::string reason;          // the answer's body when it is an error
};

bool is_error_answer(CURL* easy) {
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  return status != 200;
}

std::size_t take_answer(char* bytes, std::size_t size, std::size_t count, void* opaque) {
  auto* running = static_cast<Running*>(opaque);
  const std::size_t length = size * count;
  if (is_error_answer(running->easy)) {
    running->reason.append(bytes, std::min(length, kReasonMax - running->reason.size()));
    return length;
  }
  if (!running->request->take) return length;
  const Status taken =
      running->request->take(ConstByteSpan(reinterpret_cast<const std::byte*>(bytes), length));
  if (taken) return length;
  running->error = taken.error();
  return 0;  // ends the transfer
}

std::size_t fill_request(char* bytes, std::size_t size, std::size_t count, void* opaque) {
  auto* running = static_cast<Running*>(opaque);
  auto filled = running->request->fill(ByteSpan(reinterpret_cast<std::byte*>(bytes), size * count));
  if (filled) return *filled;
  running->error = filled.error();
  return CURL_READFUNC_ABORT;
}

Error refusal(const std::string& what, long status, std::string reason) {
  while (!reason.empty() && reason.back() == '\n') reason.pop_back();
  const Code code = status == 403   ? Code::kFenced
                    : status == 404 ? Code::kNotFound
                    : status >= 500 ? Code::kUnavailable
                                    : Code::kInvalidArgument;
  return {code, fmt::format("{}: refused ({}): {}", what, status, reason)};
}

void add_header(Headers& headers, const std::string& line) {
  headers.reset(curl_slist_append(headers.release(), line.c_str()));
}

}  // namespace

Status transfer(const SiteAccess& site, const TransferRequest& request) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy(curl_easy_init(),
                                                                 &curl_easy_cleanup);
  const std::string what = fmt::format("sync: {}/{}", site.url, request.endpoint);
  if (!easy) return fail(Code::kIoError, what + ": no memory");
  Running running{.request = &request, .easy = easy.get(), .error = {}, .reason = {}};
  Headers headers;
  add_header(headers, "Content-Type: application/octet-stream");
  add_header(headers, "Expect:");  // an early refusal is read to the end anyway
  if (!site.token_header.empty()) add_header(headers, site.token_header);
  curl_easy_setopt(easy.get(), CURLOPT_URL, (site.url + "/" + request.endpoint).c_str());
  curl_easy_setopt(easy.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(easy.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_LOW_SPEED_TIME, kSilenceSeconds);
  curl_easy_setopt(easy.get(), CURLOPT_BUFFERSIZE, kBufferBytes);
  curl_easy_setopt(easy.get(), CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes);
  curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, &take_answer);
  curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &running);
  if (!site.ca_file.empty()) curl_easy_setopt(easy.get(), CURLOPT_CAINFO, site.ca_file.c_str());
  if (request.post) curl_easy_setopt(easy.get(), CURLOPT_POST, 1L);
  if (request.post && request.fill) {
    add_header(headers, "Transfer-Encoding: chunked");
    curl_easy_setopt(easy.get(), CURLOPT_READFUNCTION, &fill_request);
    curl_easy_setopt(easy.get(), CURLOPT_READDATA, &running);
  } else if (request.post) {
    curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDS, request.body.c_str());
  }
  curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, headers.get());
  const CURLcode code = curl_easy_perform(easy.get());
  if (running.error) return fail(std::move(*running.error));
  if (code != CURLE_OK) {
    return fail(Code::kUnavailable, fmt::format("{}: {}", what, curl_easy_strerror(code)));
  }
  long status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  // 201 is what an older server answers to a push.
  if (status == 200 || status == 201) return {};
  return fail(refusal(what, status, running.reason));
}

}  // namespace tlog::logset
