// A gateway for tests of the server of gateways: it answers what it was asked, is slow, refuses,
// streams and throws on request.
// Threading: any thread.
#pragma once

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>

#include "gateways/http/http_server.h"
#include "tlog/base/mutex.h"

namespace tlog::gateway {

// What a test looks at while requests are under way.
struct EchoState {
  Mutex mutex;
  CondVar changed;
  bool open GUARDED_BY(mutex) = false;  // what waits goes on
  std::atomic<int> waiting{0};
  std::atomic<int> cancelled{0};
  std::atomic<int> cut_short{0};  // exchanges that were not asked for an answer

  void let_go() {
    MutexLock lock(mutex);
    open = true;
    changed.notify_all();
  }
};

// `size` bytes, or without end.
class CountingSource final : public HttpSource {
 public:
  explicit CountingSource(std::uint64_t size, bool breaks) : left_(size), breaks_(breaks) {}
  Result<std::size_t> fill(ByteSpan into) override {
    if (cancelled_) return fail(Code::kShutdown, "cancelled");
    if (left_ == 0 && breaks_) return fail(Code::kIoError, "broken");
    const std::size_t size = std::min<std::uint64_t>(left_, into.size());
    for (std::size_t i = 0; i < size; ++i) into[i] = static_cast<std::byte>('a' + next_++ % 26);
    left_ -= size;
    return size;
  }
  void cancel() override { cancelled_ = true; }

 private:
  std::uint64_t left_;
  const bool breaks_;
  std::uint64_t next_ = 0;
  std::atomic<bool> cancelled_{false};
};

class EchoExchange final : public HttpExchange {
 public:
  EchoExchange(EchoState& state, HttpRequest request)
      : state_(state), request_(std::move(request)) {}
  ~EchoExchange() override {
    if (!answered_) ++state_.cut_short;
  }

  bool wants_body() override { return request_.path != "/refused"; }
  Status body(ConstByteSpan piece) override {
    if (request_.path == "/throws") throw std::runtime_error("secret");
    text_.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    if (request_.path == "/picky") return fail(Code::kFenced, "not this");
    return {};
  }
  HttpAnswer answer() override {
    answered_ = true;
    const std::string& path = request_.path;
    if (path == "/refused") return text_answer(403, "refused");
    if (path == "/picky") return text_answer(403, "not this");
    if (path == "/throws") throw std::runtime_error("secret");
    if (path == "/waits" || path == "/slow") wait();
    if (path == "/known" || path == "/unknown" || path == "/broken" || path == "/endless") {
      return streamed();
    }
    if (path == "/about") return text_answer(200, about());
    return {.body = text_};
  }
  void cancel() override {
    ++state_.cancelled;
    MutexLock lock(state_.mutex);
    gone_ = true;
    state_.changed.notify_all();
  }

 private:
  void wait() {
    ++state_.waiting;
    MutexLock lock(state_.mutex);
    while (!state_.open && !gone_) state_.changed.wait(state_.mutex);
  }
  HttpAnswer streamed() const {
    HttpAnswer answer{.type = "application/octet-stream"};
    const std::string& path = request_.path;
    const std::uint64_t size = path == "/endless" ? std::uint64_t{1} << 60 : 1'000'000;
    answer.source = std::make_unique<CountingSource>(size, path == "/broken");
    if (path == "/known") answer.source_bytes = size;
    return answer;
  }
  std::string about() const {
    std::string text = request_.method + " " + request_.path;
    for (const auto& [name, value] : request_.query) text += " " + name + "=" + value;
    if (const std::string* own = request_.header("x-own")) text += " own:" + *own;
    text += " length:" + (request_.content_length ? std::to_string(*request_.content_length)
                                                  : std::string("unknown"));
    return text + (request_.peer.starts_with("127.0.0.1:") ? " near" : " far");
  }

  EchoState& state_;
  const HttpRequest request_;
  std::string text_;
  bool answered_ = false;
  bool gone_ GUARDED_BY(state_.mutex) = false;
};

inline HttpHandler echo_handler(EchoState& state) {
  return [&state](const HttpRequest& request) -> std::unique_ptr<HttpExchange> {
    if (request.path == "/nothing") return answered(text_answer(404, "there is no such thing"));
    if (request.path == "/reads" && !request.reads()) {
      return answered(method_not_allowed("GET, HEAD"));
    }
    return std::make_unique<EchoExchange>(state, request);
  };
}

}  // namespace tlog::gateway
