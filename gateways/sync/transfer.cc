#include "gateways/sync/transfer.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <cstring>
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
  std::size_t part = 0;        // of the request's, that is sent now
  std::size_t at = 0;          // in it
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
  const auto& parts = running->request->parts;
  std::size_t filled = 0;
  while (filled < size * count && running->part < parts.size()) {
    const ConstByteSpan left = parts[running->part].subspan(running->at);
    const std::size_t some = std::min(left.size(), size * count - filled);
    std::memcpy(bytes + filled, left.data(), some);
    filled += some;
    running->at += some;
    if (some < left.size()) break;
    ++running->part;
    running->at = 0;
  }
  return filled;
}

// A connection that was kept may turn out to be closed: then it is sent again, from its beginning.
int begin_again(void* opaque, curl_off_t offset, int origin) {
  if (offset != 0 || origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  auto* running = static_cast<Running*>(opaque);
  running->part = 0;
  running->at = 0;
  return CURL_SEEKFUNC_OK;
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

void set_body(CURL* easy, const TransferRequest& request, Running& running) {
  curl_off_t size = static_cast<curl_off_t>(request.body.size());
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  if (request.parts.empty()) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.c_str());
  } else {
    for (const ConstByteSpan part : request.parts) size += static_cast<curl_off_t>(part.size());
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, &fill_request);
    curl_easy_setopt(easy, CURLOPT_READDATA, &running);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, &begin_again);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, &running);
  }
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, size);
}

}  // namespace

struct SiteConnection::Handle {
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy{nullptr, &curl_easy_cleanup};
};

SiteConnection::SiteConnection(SiteAccess site)
    : site_(std::move(site)), handle_(std::make_unique<Handle>()) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  handle_->easy.reset(curl_easy_init());
}

SiteConnection::~SiteConnection() = default;

Status SiteConnection::transfer(const TransferRequest& request) {
  CURL* const easy = handle_->easy.get();
  const std::string what = fmt::format("sync: {}/{}", site_.url, request.endpoint);
  if (easy == nullptr) return fail(Code::kIoError, what + ": no memory");
  curl_easy_reset(easy);  // the connection stays
  Running running{.request = &request, .easy = easy, .error = {}, .reason = {}};
  Headers headers;
  add_header(headers, "Content-Type: application/octet-stream");
  add_header(headers, "Expect:");  // an early refusal is read to the end anyway
  if (!site_.token_header.empty()) add_header(headers, site_.token_header);
  if (!request.header.empty()) add_header(headers, request.header);
  curl_easy_setopt(easy, CURLOPT_URL, (site_.url + "/" + request.endpoint).c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, kSilenceSeconds);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kBufferBytes);
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &take_answer);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &running);
  if (!site_.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, site_.ca_file.c_str());
  if (request.post) set_body(easy, request, running);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  const CURLcode code = curl_easy_perform(easy);
  if (running.error) return fail(std::move(*running.error));
  if (code != CURLE_OK) {
    return fail(Code::kUnavailable, fmt::format("{}: {}", what, curl_easy_strerror(code)));
  }
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  // 201 is what an older server answers to a push.
  if (status == 200 || status == 201) return {};
  return fail(refusal(what, status, running.reason));
}

}  // namespace tlog::logset
