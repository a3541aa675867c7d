#include "gateways/http/call.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "tlog/base/clock.h"

namespace tlog::gateway {
namespace {

// A client that is told no while it sends is heard out to here at least, or it sees a broken
// connection instead of the reason.
constexpr std::uint64_t kDroppedBytesMax = kMiB;

}  // namespace

HttpAnswer Call::failed() const {
  return make_refusal_(500, "this failed; the server's log may say why");
}

void Calls::add(Call* call) {
  MutexLock lock(mutex_);
  calls_.insert(call);
}

void Calls::remove(Call* call) {
  MutexLock lock(mutex_);
  calls_.erase(call);
  if (calls_.empty()) changed_.notify_all();
}

void Calls::cancel() {
  MutexLock lock(mutex_);
  for (Call* call : calls_) call->cancel();
}

bool Calls::wait_for_none(std::uint64_t time_ns) {
  const auto deadline = steady_now() + std::chrono::nanoseconds(time_ns);
  MutexLock lock(mutex_);
  while (!calls_.empty()) {
    if (!changed_.wait_until(mutex_, deadline)) return calls_.empty();
  }
  return true;
}

void Call::refuse(HttpAnswer answer, std::uint64_t dropped_bytes_max) {
  refusal_ = std::move(answer);
  dropping_ = true;
  dropped_bytes_max_ = std::max(dropped_bytes_max, kDroppedBytesMax);
}

void Call::begin(const HttpHandler& handler, const HttpRequest& request) {
  try {
    std::unique_ptr<HttpExchange> made = handler(request);
    {
      MutexLock lock(mutex_);
      exchange_ = std::move(made);
      if (cancelled_) exchange_->cancel();
    }
    dropped_bytes_max_ = std::max(bytes_max_, kDroppedBytesMax);
    dropping_ = !exchange_->wants_body();
  } catch (const std::exception&) {
    refuse(failed(), bytes_max_);
  }
}

bool Call::body(ConstByteSpan piece) {
  bytes_ += piece.size();
  if (!refusal_ && bytes_ > bytes_max_) {
    refuse(make_refusal_(413, fmt::format("request: body: longer than {} bytes", bytes_max_)),
           bytes_max_);
  }
  if (dropping_) return bytes_ <= bytes_max_ + dropped_bytes_max_;
  try {
    if (Status taken = exchange_->body(piece); !taken) dropping_ = true;
  } catch (const std::exception&) {
    refuse(failed(), bytes_max_);
  }
  return true;
}

HttpAnswer Call::answer() {
  if (refusal_) return std::move(*refusal_);
  try {
    return exchange_->answer();
  } catch (const std::exception&) {
    return failed();
  }
}

void Call::keep(std::unique_ptr<HttpSource> source) {
  MutexLock lock(mutex_);
  source_ = std::move(source);
  if (cancelled_) source_->cancel();
}

void Call::cancel() {
  MutexLock lock(mutex_);
  cancelled_ = true;
  if (exchange_) exchange_->cancel();
  if (source_) source_->cancel();
}

}  // namespace tlog::gateway
